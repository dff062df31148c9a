"""A simulated model and its traffic: panes made directly from rows, as the first stage makes them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from tidemill.v1 import monitoring_pb2 as pb
from tidemill.v1.model_pb2 import ModelApproved
from tidemill.v1.reference_pb2 import MetricSums
from tidemill_contracts.pipeline import Pipeline
from tidemill_monitor.domain.judgement import Judge, Judged
from tidemill_monitor.domain.pane_store import PaneStore
from tidemill_monitor.domain.state import ModelState
from tidemill_monitor.domain.watched import Catalogue, Watch
from tidemill_stats.answers import output_columns, row_losses
from tidemill_stats.encoding import Encoding
from tidemill_stats.multivariate import fit_kernel
from tidemill_stats.outliers import fit_outliers
from tidemill_stats.pca import fit_pca
from tidemill_stats.performance import MeanEstimate, score_histograms
from tidemill_stats.profile import DataProfile
from tidemill_stats.profile_proto import to_proto
from tidemill_stats.profiling import profile_columns
from tidemill_stats.reference import Reference, reference_to_proto
from tidemill_stats.scores import ScoreSums

HOUR = 3600 * 1_000_000
DAY = 24 * HOUR
PANE = 6 * HOUR
START = 15_000 * DAY
FEATURES = 4


def pipeline(**monitors: Any) -> Pipeline:
    settings: dict[str, Any] = {"window": "1d", "lateness": "1h", "rows": 400, "cooldown": "10d"}
    fields: dict[str, Any] = {"at": {"type": "timestamp"}, "c": {"type": "category"}}
    fields |= {f"x{number}": {"type": "float"} for number in range(FEATURES)}
    return Pipeline.model_validate(
        {
            "apiVersion": "tidemill/v1",
            "name": "tides",
            "model": "tide",
            "task": "classification",
            "sources": {"gauge": {"event_time": "at", "fields": fields}},
            "primary": "gauge",
            "label": {"name": "high", "delay": "2d", "classes": 2},
            "features": [*(f"x{number}" for number in range(FEATURES)), "c"],
            "seed": 1,
            "training_code": "training.py",
            "candidates": [{"name": "one", "algorithm": "one"}],
            "metrics": ["log_loss", "accuracy"],
            "primary_metric": "log_loss",
            "monitors": settings | monitors,
        }
    )


@dataclass(frozen=True)
class Rows:
    """Predictions with their truths: inputs by column, answers [n, 3] (label, two probabilities), labels [n]."""

    inputs: dict[str, np.ndarray]
    answers: np.ndarray
    labels: np.ndarray

    def take(self, chosen: np.ndarray) -> "Rows":
        inputs = {name: column[chosen] for name, column in self.inputs.items()}
        return Rows(inputs, self.answers[chosen], self.labels[chosen])


def rows_of(count: int, seed: Any, *, shift: float = 0.0, concept: float = 0.0, together: float = 0.0) -> Rows:
    """Rows of a world in which x0 is shifted, labels follow it less (`concept`), or columns move together."""
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(FEATURES, count))
    if together:
        columns[1] = together * columns[2] + np.sqrt(1 - together**2) * columns[1]
    columns[0] += shift
    inputs: dict[str, np.ndarray] = {f"x{number}": columns[number] for number in range(FEATURES)}
    inputs["c"] = np.array(rng.choice(["a", "b", "c"], count, p=[0.5, 0.3, 0.2]), dtype=object)
    probability = 1 / (1 + np.exp(-1.5 * columns[0]))
    truth = rng.random(count) < (1 - concept) * probability + concept * (1 - probability)
    answers = np.column_stack([probability > 0.5, 1 - probability, probability])
    return Rows(inputs, answers, truth.astype(np.float64))


@cache
def reference(seed: int = 99, slices: bool = True) -> Reference:
    """What the simulated version learnt from."""
    trained, tested = rows_of(20_000, seed), rows_of(4_000, seed + 1)
    inputs = profile_columns(trained.inputs)
    encoding = Encoding.fit(trained.inputs)
    matrix = encoding.encode(trained.inputs)
    groups = {f"season:{number}": _group(trained, np.arange(20_000) % 7 == number, inputs) for number in range(7)}
    if slices:
        for value in ("a", "b", "c"):
            groups[f"slice:c={value}"] = _group(trained, trained.inputs["c"] == value, inputs)
    positives, negatives = score_histograms(tested.labels, tested.answers[:, 2])
    losses = row_losses(tested.answers, tested.labels, 2)
    return Reference(
        inputs=inputs,
        groups=groups,
        outputs=profile_columns(output_columns(tested.answers, 2)),
        kernel=fit_kernel(matrix, encoding, seed=1),
        pca=fit_pca(matrix, encoding, seed=1),
        outliers=fit_outliers(matrix, encoding, seed=1),
        performance={name: MeanEstimate.of(values) for name, values in losses.items()},
        score_positives=positives,
        score_negatives=negatives,
        trained_until=START - 10 * DAY,
    )


def _group(rows: Rows, chosen: np.ndarray, inputs: DataProfile) -> DataProfile:
    return profile_columns(rows.take(chosen).inputs, reference=inputs)


def approval(number: int = 1, known: Reference | None = None) -> ModelApproved:
    message = reference_to_proto(known or reference())
    return ModelApproved(model="tide", version=number, pipeline="tides", reference=message)


def catalogue(*versions: int, known: Reference | None = None, **monitors: Any) -> Catalogue:
    made = Catalogue([pipeline(**monitors)])
    for version in versions or (1, 2, 3):
        made.approve(approval(version, known))
    return made


def sums_of(values: np.ndarray) -> MetricSums:
    one = MeanEstimate.of(values)
    return MetricSums(count=one.count, sum=one.sum, sum_of_squares=one.sum_of_squares)


def slice_of(rows: Rows, known: Reference, *, labelled: bool, mirror: bool) -> pb.SlicePartial:
    assert known.inputs
    assert known.outputs
    message = pb.SlicePartial(predictions=rows.labels.size)
    scores = ScoreSums.of(rows.answers[:, 2])
    message.scores.extend(scores.counts.tolist())
    message.score_log_odds.extend(scores.log_odds.tolist())
    message.score_base = scores.base
    message.outputs.CopyFrom(to_proto(profile_columns(output_columns(rows.answers, 2), reference=known.outputs)))
    if not mirror:
        message.inputs.CopyFrom(to_proto(profile_columns(rows.inputs, reference=known.inputs)))
    if labelled:
        message.labelled = rows.labels.size
        for name, values in row_losses(rows.answers, rows.labels, 2).items():
            message.metrics[name].CopyFrom(sums_of(values))
        positives, negatives = score_histograms(rows.labels, rows.answers[:, 2])
        message.score_positives.extend(positives.tolist())
        message.score_negatives.extend(negatives.tolist())
    return message


def partial_of(
    start: int,
    rows: Rows,
    *,
    version: int = 1,
    partition: int = 0,
    mirror: bool = False,
    offset: int = 1,
    watermark: int | None = None,
    slices: Iterable[str] = (),
    labels_after: int | None = DAY,
    latency: float = 0.01,
    known: Reference | None = None,
) -> pb.PanePartial:
    """The pane of `rows`, its labels known `labels_after` its start (None: not yet)."""
    known = known or reference()
    labelled = labels_after is not None
    count = rows.labels.size
    message = pb.PanePartial(
        model="tide",
        version=version,
        partition=partition,
        start=start,
        length=PANE,
        watermark=start + PANE if watermark is None else watermark,
        offset=offset,
        mirror=mirror,
        total=slice_of(rows, known, labelled=labelled, mirror=mirror),
        latency=sums_of(np.full(count, latency)),
    )
    message.latency_buckets.extend([0] * 40)
    message.latency_buckets[max(0, int(np.ceil(2 * np.log2(latency / 1e-4))))] = count
    for value in slices:
        part = rows.take(rows.inputs["c"] == value)
        if part.labels.size:
            message.slices[f"c={value}"].CopyFrom(slice_of(part, known, labelled=labelled, mirror=mirror))
    if labels_after is not None and count:
        at = start + labels_after
        pane = message.labels.add(start=at - at % PANE, labelled=count)
        for name, sums in message.total.metrics.items():
            pane.metrics[name].CopyFrom(sums)
    if not mirror and known.kernel and known.pca and known.outliers and count:
        matrix = known.kernel.encoding.encode(rows.inputs)
        message.embedding.extend(known.kernel.sums(matrix).sums.tolist())
        message.reconstruction.CopyFrom(sums_of(known.pca.errors(matrix)))
        message.outliers = known.outliers.count(matrix)
    return message


@dataclass
class World:
    """Traffic of 100 rows a pane, four panes a day, judged as it comes."""

    settings: dict[str, Any] = field(default_factory=dict)
    known: Reference = field(default_factory=reference)
    per_pane: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        self.catalogue = catalogue(known=self.known, **self.settings)
        watch = self.catalogue.watch("tide")
        assert watch
        self.watch: Watch = watch
        self.store = PaneStore(watch, 1)
        self.data: list[int] = []
        self.judge = Judge(watch, self.store, self.catalogue, lambda: self.data)
        self.state = ModelState()
        self.judged: list[Judged] = []
        self.told: list[pb.PanePartial] = []

    def pane(self, number: int, **options: Any) -> pb.PanePartial:
        """One pane, the number counted from START."""
        world = {name: options.pop(name) for name in ("shift", "concept", "together") if name in options}
        count = options.pop("rows", self.per_pane)
        change = options.pop("change", None)
        seed = (self.seed, number, options.get("version", 1), options.get("partition", 0))
        rows = rows_of(count, seed, **world)
        rows = change(rows) if change else rows
        slices = ("a", "b", "c") if self.watch.slices else ()
        return partial_of(START + number * PANE, rows, known=self.known, slices=slices, **options)

    def days(self, days: Iterable[int], **options: Any) -> None:
        """Whole days of traffic, judged pane by pane."""
        edit = options.pop("edit", None)
        for day in days:
            for number in range(4 * day, 4 * day + 4):
                partial = self.pane(number, **dict(options))
                if edit:
                    edit(partial)
                self.take(partial)

    def take(self, *partials: pb.PanePartial) -> None:
        """Some partials, then judgement."""
        for partial in partials:
            self.told.append(partial)
            self.store.put(partial)
        self.state, judged = self.judge.judge(self.state)
        self.judged.extend(judged)

    @property
    def alarms(self) -> list[pb.DriftDetected]:
        return [alarm for one in self.judged for alarm, _ in one.alarms]

    def kinds(self) -> list[int]:
        return [alarm.kind for alarm in self.alarms]

    def day_of(self, alarm: pb.DriftDetected) -> float:
        return (alarm.until.ToMicroseconds() - START) / DAY
