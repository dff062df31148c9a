"""The reference that live traffic will be compared with, made from training rows and answers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from tidemill_stats.answers import output_columns, row_losses
from tidemill_stats.arrays import AnyArray, BoolArray, FloatArray, IntArray
from tidemill_stats.column import most_frequent, with_ends
from tidemill_stats.effects import Stream, effects_by_scale
from tidemill_stats.encoding import Encoding
from tidemill_stats.errors import InvalidInput
from tidemill_stats.multivariate import fit_kernel
from tidemill_stats.outliers import fit_outliers
from tidemill_stats.pca import fit_pca
from tidemill_stats.performance import MeanEstimate, score_histograms
from tidemill_stats.profile import CategoricalProfile, DataProfile
from tidemill_stats.profiling import profile_columns
from tidemill_stats.reference import Reference
from tidemill_stats.seasons import Season, season_of

SLICE_CAP = 20


@dataclass(frozen=True)
class Windows:
    """How live traffic will be cut: panes of `pane` microseconds make windows of `rows` rows or `length` microseconds.

    `season`, `timezone` and `slices` (names of categorical columns) say which parts get a reference of their own.
    Raises InvalidInput unless a length is a whole number of panes and there are rows.
    """

    pane: int
    length: int
    rows: int
    season: Season | None = None
    timezone: str = "UTC"
    slices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pane < 1 or self.length < self.pane or self.length % self.pane or self.rows < 1:
            raise InvalidInput(f"{self.length} must be a whole number of panes of {self.pane}, of at least one row")


@dataclass(frozen=True)
class Rows:
    """Rows in the order of their event times, else InvalidInput: `columns` of shape [n], `times` int64 [n] in
    microseconds, `outputs` [n, width] as in `answers`, `labels` [n]."""

    columns: Mapping[str, AnyArray]
    times: IntArray
    outputs: FloatArray
    labels: FloatArray
    classes: int | None = None

    def __post_init__(self) -> None:
        if np.any(np.diff(self.times) < 0):
            raise InvalidInput("rows must be in the order of their event times")

    @property
    def answered(self) -> BoolArray:
        """Which rows have a finite answer, shape [n]."""
        finite: BoolArray = np.logical_and.reduce(np.isfinite(self.outputs), axis=1)
        return finite

    @property
    def span(self) -> tuple[int, int]:
        """Earliest and latest event time; IndexError without rows."""
        return int(self.times[0]), int(self.times[-1])


def learn(train: Rows, unseen: Rows, windows: Windows, *, seed: int) -> Reference:
    """The reference of a model trained on `train` that answered `unseen`; the same bits for the same seed.

    Losses and scores are those of finite answers. Raises InvalidInput below 4 training rows, without unseen ones, and
    for a slice that is no column.
    """
    if train.times.size < 4 or not unseen.times.size:
        raise InvalidInput(f"{train.times.size} training rows and {unseen.times.size} unseen ones are too few")
    inputs = _with_ends(profile_columns(train.columns, times=train.span))
    encoding = Encoding.fit(train.columns)
    matrix = encoding.encode(train.columns)
    stream = Stream(
        columns=train.columns,
        inputs=inputs,
        answers=output_columns(train.outputs, train.classes),
        losses=_losses(train),
        matrix=matrix,
        kernel=fit_kernel(matrix, encoding, seed=seed),
        pca=fit_pca(matrix, encoding, seed=seed),
        outliers=fit_outliers(matrix, encoding, seed=seed),
    )
    positives, negatives = _scores(unseen)
    return Reference(
        inputs=inputs,
        groups=dict(_groups(train, inputs, windows)),
        design_effects=effects_by_scale(stream, list(cut(train.times, windows))),
        outputs=_with_ends(profile_columns(output_columns(unseen.outputs, unseen.classes), times=unseen.span)),
        kernel=stream.kernel,
        pca=stream.pca,
        outliers=stream.outliers,
        performance={name: MeanEstimate.of(losses[unseen.answered]) for name, losses in _losses(unseen).items()},
        score_positives=positives,
        score_negatives=negatives,
        trained_until=train.span[1],
    )


def cut(times: IntArray, windows: Windows) -> Iterator[slice]:
    """Rows of each window that has any, one after the other; `times`: int64 [n], in order, microseconds.

    The first window begins with the pane of the first row. A window ends with the pane at which it has `rows` rows or
    has lasted `length`, and the next one begins there; what is left over is no window.
    """
    if not times.size:
        return
    panes, firsts = np.unique(times // windows.pane, return_index=True)
    stops = np.append(firsts[1:], times.size)
    most = windows.length // windows.pane
    begin, start = 0, int(panes[0])
    for pane, first, stop in zip(panes.tolist(), firsts.tolist(), stops.tolist(), strict=True):
        lapsed = (pane - start) // most
        if lapsed:
            if first > begin:
                yield slice(begin, first)
            begin, start = first, start + lapsed * most
        if stop - begin >= windows.rows or pane + 1 - start >= most:
            yield slice(begin, stop)
            begin, start = stop, pane + 1


def slice_values(column: CategoricalProfile) -> tuple[str, ...]:
    """Values of a column that are watched as slices: the most frequent ones, at most `SLICE_CAP`, ties by name."""
    counts = dict(zip(column.categories, column.counts.tolist(), strict=True))
    return most_frequent({name: count for name, count in counts.items() if count}, SLICE_CAP)


def _with_ends(profile: DataProfile) -> DataProfile:
    return replace(profile, columns={name: with_ends(column) for name, column in profile.columns.items()})


def _groups(train: Rows, inputs: DataProfile, windows: Windows) -> Iterator[tuple[str, DataProfile]]:
    if windows.season is not None:
        seasons = season_of(train.times, windows.season, windows.timezone)
        for season in np.unique(seasons).tolist():
            yield f"season:{season}", _profile(train, seasons == season, inputs)
    for name in windows.slices:
        if name not in inputs.columns:
            raise InvalidInput(f"slice {name!r} is not one of the columns: {', '.join(inputs.columns)}")
        column = inputs.columns[name]
        if isinstance(column, CategoricalProfile):
            texts = train.columns[name].astype(str)
            for value in slice_values(column):
                yield f"slice:{name}={value}", _profile(train, texts == value, inputs)


def _profile(rows: Rows, mask: BoolArray, inputs: DataProfile) -> DataProfile:
    times = rows.times[mask]
    columns = {name: values[mask] for name, values in rows.columns.items()}
    profile = profile_columns(columns, reference=inputs, times=(int(times[0]), int(times[-1])))
    return replace(profile, columns={name: replace(column, distinct=None) for name, column in profile.columns.items()})


def _losses(rows: Rows) -> dict[str, FloatArray]:
    """Losses of each row by metric, shape [n]; NaN where the answer is not finite."""
    answered = rows.answered
    spread = {}
    for name, losses in row_losses(rows.outputs[answered], rows.labels[answered], rows.classes).items():
        spread[name] = np.full(answered.size, np.nan)
        spread[name][answered] = losses
    return spread


def _scores(rows: Rows) -> tuple[IntArray, IntArray]:
    if rows.classes != 2:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    answered = rows.answered
    return score_histograms(rows.labels[answered], np.clip(rows.outputs[answered, 2], 0.0, 1.0))
