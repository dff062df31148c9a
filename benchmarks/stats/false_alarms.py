"""False alarms on streams that do not change, against what was asked."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from tidemill_stats.arrays import FloatArray
from tidemill_stats.baseline import Baseline
from tidemill_stats.edetector import EDetector, advance
from tidemill_stats.effects import Stream, effects_by_scale
from tidemill_stats.encoding import Encoding
from tidemill_stats.multivariate import fit_kernel
from tidemill_stats.outliers import fit_outliers
from tidemill_stats.pca import fit_pca
from tidemill_stats.profile import DataProfile
from tidemill_stats.profiling import profile_columns

from benchmarks.stats.streams import FEATURES, Columns, latent, mixed, part
from benchmarks.stats.tables import Row, Table, mean_interval
from benchmarks.stats.window_rule import (
    DAY,
    DEFAULTS,
    OBSERVATIONS,
    PERIOD,
    ROWS,
    Effects,
    Findings,
    Tempo,
    findings,
    independent,
    rules,
)

REFERENCE = 20_000
CORRELATION = 0.8
STREAM = 50_000
COLUMNS = ("stream", "rule", "rows", "asked", "realised", "per 50,000 rows", "per 30 days")


@dataclass(frozen=True)
class Setting:
    """A stream without change, `windows` windows of it a run, judged as it would be at each tempo."""

    name: str
    windows: int
    correlation: float
    tempos: tuple[Tempo, ...]

    @property
    def rows(self) -> int:
        """Rows a window."""
        return self.tempos[0].rows


_EXACT = Tempo("50,000 rows in 30 days", ROWS, PERIOD * ROWS // OBSERVATIONS)
_BUSY = Tempo("ten times as busy", ROWS, _EXACT.length // 10)
_SLOW = Tempo("250 rows a day", ROWS // 2, DAY)
SETTINGS = (
    Setting("independent rows", 24, 0.0, (_EXACT, _BUSY)),
    Setting("independent rows", 20, 0.0, (_SLOW,)),
    Setting("AR(1) 0.8", 20, CORRELATION, (_EXACT,)),
)


def false_alarms(runs: int, seed: int) -> Iterator[Table]:
    """Tables of the window rule and of the e-detector."""
    rows = [row for number, setting in enumerate(SETTINGS) for row in _windows(setting, runs, (seed, 1, number))]
    note = (
        "Windows of 500 (250) rows of 20 features, 20,000 reference rows drawn anew for each run; realised: mean a "
        "run ± 1.96 standard errors. Level alone: no least effect, "
        "no persistence, no cooldown; default rule: 0.1, two windows in a row, 7 days. This monitor has "
        "the whole budget, of which a pipeline's defaults give it a share."
    )
    yield Table("False alarms of windows", COLUMNS, tuple(rows), note)
    note = (
        "50,000 rows a run, in batches of 500; level per row 1/50,000. Estimated: from 20,000 rows drawn for each run."
    )
    columns = ("stream", "baseline", "rows", "asked", "realised")
    yield Table("False alarms of the e-detector", columns, tuple(_detectors(runs, (seed, 2))), note)


def _windows(setting: Setting, runs: int, seed: Sequence[int]) -> Iterator[Row]:
    judged = rules(DEFAULTS.input_drift)
    counts: dict[tuple[Tempo, str], list[int]] = {(tempo, name): [] for tempo in setting.tempos for name in judged}
    for run in range(runs):
        found = _run(setting, np.random.default_rng([*seed, run]))
        for (tempo, name), alarms in counts.items():
            alarms.append(len(tempo.alarms(found, judged[name])))
    for (tempo, name), alarms in counts.items():
        yield _row(f"{setting.name}, {tempo.name}", name, tempo, setting.windows, alarms)


def _row(stream: str, rule: str, tempo: Tempo, windows: int, counts: Sequence[int]) -> Row:
    rows, time = windows * tempo.rows, windows * tempo.length
    asked = min(rows / OBSERVATIONS, time / PERIOD)
    mean, off = mean_interval(counts)
    cells = (
        stream,
        rule,
        f"{len(counts) * rows:,}",
        f"{asked:.2f}",
        f"{mean:.3f} ± {off:.3f}",
        f"{mean * OBSERVATIONS / rows:.2f}",
        f"{mean * PERIOD / time:.2f}",
    )
    return Row(cells, "≤ asked, within chance", mean - off <= asked)


def _run(setting: Setting, rng: np.random.Generator) -> Findings:
    train = mixed(rng, REFERENCE, setting.correlation)
    reference = profile_columns(train)
    effects = _learnt(train, reference) if setting.correlation else independent
    live = mixed(rng, setting.windows * setting.rows, setting.correlation)
    windows = (
        profile_columns(part(live, start, start + setting.rows), reference=reference)
        for start in range(0, setting.windows * setting.rows, setting.rows)
    )
    return findings(reference, windows, effects)


def _learnt(train: Columns, reference: DataProfile) -> Effects:
    """Columns' design effects as a training estimates them, from its rows in the order of time, cut into windows.

    What else a training learns is fitted to one column only, as it is not asked for.
    """
    one = {"normal0": train["normal0"]}
    encoding = Encoding.fit(one)
    matrix = encoding.encode(one)
    kernel, pca = fit_kernel(matrix, encoding, seed=1), fit_pca(matrix, encoding, seed=1)
    stream = Stream(train, reference, {}, {}, matrix, kernel, pca, fit_outliers(matrix, encoding, seed=1))
    known = effects_by_scale(stream, [slice(start, start + ROWS) for start in range(0, REFERENCE, ROWS)])
    return lambda scale, column: known[min(one for one in known if one >= scale)].of(column)


Draw = Callable[[np.random.Generator, int], FloatArray]


def _detectors(runs: int, seed: Sequence[int]) -> Iterator[Row]:
    rate = Baseline(np.array([0.2]), np.array([0.2]))
    known = Baseline(np.zeros(FEATURES), np.zeros(FEATURES), -4.0, 4.0)
    cases: list[tuple[str, str, Draw, Callable[[FloatArray], Baseline]]] = [
        ("error rate .2", "known", _errors, lambda rows: rate),
        ("error rate .2", "estimated", _errors, lambda rows: Baseline.rate(int(rows.sum()), len(rows))),
        ("20 normal features", "known", latent, lambda rows: known),
        ("20 normal features", "estimated", latent, _sampled),
        ("20 heavy-tailed features", "estimated", _heavy, _sampled),
        ("20 equal features", "estimated", _equal, _sampled),
        ("20 features, AR(1) 0.8", "estimated, design effect 9", _smooth, lambda rows: _sampled(rows, 9.0)),
    ]
    for number, (stream, baseline, draw, learn_from) in enumerate(cases):
        counts = []
        for run in range(runs):
            rng = np.random.default_rng([*seed, number, run])
            counts.append(_alarms(EDetector(learn_from(draw(rng, REFERENCE))), draw(rng, STREAM)))
        mean, off = mean_interval(counts)
        cells = (stream, baseline, f"{runs * STREAM:,}", "1.00", f"{mean:.3f} ± {off:.3f}")
        yield Row(cells, "≤ asked", mean <= 1)


def _alarms(detector: EDetector, values: FloatArray) -> int:
    state, found = detector.start(), 0
    for start in range(0, len(values), ROWS):
        state, changes = advance(detector, state, values[start : start + ROWS], 1 / OBSERVATIONS)
        found += len(changes)
    return found


def _sampled(rows: FloatArray, design_effect: float = 1.0) -> Baseline:
    return Baseline.sample(rows, low=-4.0, high=4.0, design_effect=design_effect)


def _errors(rng: np.random.Generator, rows: int) -> FloatArray:
    return (rng.random((rows, 1)) < 0.2).astype(np.float64)


def _heavy(rng: np.random.Generator, rows: int) -> FloatArray:
    values: FloatArray = rng.standard_t(3, (rows, FEATURES)) / np.sqrt(3)
    return values


def _equal(rng: np.random.Generator, rows: int) -> FloatArray:
    return np.repeat(rng.standard_normal((rows, 1)), FEATURES, axis=1)


def _smooth(rng: np.random.Generator, rows: int) -> FloatArray:
    return latent(rng, rows, CORRELATION)
