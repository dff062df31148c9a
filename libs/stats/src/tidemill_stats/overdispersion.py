"""How much more windows of a stream vary than windows of independent rows would."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import stdtrit

from tidemill_stats.arrays import FloatArray
from tidemill_stats.column import CategoricalProfile, ColumnProfile, NumericProfile, require_same_bins
from tidemill_stats.comparison import MINIMUM_EXPECTED, group_starts, halves
from tidemill_stats.errors import InvalidInput
from tidemill_stats.profile import DataProfile, require_same_columns

_LEVEL = 1e-4
_FEWEST = 5
_NORMAL_DEGREES = 1e9


def design_effects(windows: Sequence[DataProfile], whole: DataProfile) -> dict[str, float]:
    """Each column's design effect at the windows' size: values that carry the information of one independent value.

    `windows`: profiles of consecutive rows, as many rows each as a live window will have, counted in the cells of
    `whole`, which has all their rows and perhaps more. About 1 for independent rows, larger where neighbours are alike.

    The overdispersion of McCullagh & Nelder (1989), "Generalized Linear Models", 4.5: the mean over windows of
    Pearson's chi-square, divided by its degrees of freedom, of the window against the rest of the whole (the whole has
    the window in it and so lies too near). Autocorrelation weighs more on coarse cells than on fine ones, which the
    mean over degrees of freedom hides; so it is the largest among the groupings that `Comparison.table` may use
    (coarser when the design effect is larger), missing and other values by themselves, and the ranks: dividing by the
    largest is conservative for any of them (Rao & Scott 1981, JASA 76(374), section 3).

    As it is estimated, what exceeds 1 is enlarged so that a chi-square tail of 1e-4 becomes that of F with the windows'
    degrees of freedom (Thomas & Rao 1987, JASA 82(398)): by 1.2 for 40 windows, 6 for 6 or fewer. 1 with fewer
    than two windows. Raises IncompatibleProfiles unless all are binned alike, InvalidInput if a window has more values
    in a cell than the whole.
    """
    for window in windows:
        require_same_columns(whole, window)
    return {
        name: _design_effect([window.columns[name] for window in windows if window.rows], column)
        for name, column in whole.columns.items()
    }


def caution(windows: int) -> float:
    """Factor, at least 1, by which to enlarge what exceeds 1 of a design effect from so many windows, at least two.

    It makes a chi-square tail of 1e-4 that of F with the windows' degrees of freedom (Thomas & Rao 1987, JASA 82(398)).
    """
    degrees = max(windows - 1, _FEWEST)
    return float((stdtrit(degrees, _LEVEL / 2) / stdtrit(_NORMAL_DEGREES, _LEVEL / 2)) ** 2)


def _design_effect(windows: Sequence[ColumnProfile], whole: ColumnProfile) -> float:
    for window in windows:
        require_same_bins(whole, window)
    if len(windows) < 2:
        return 1.0
    counts, totals = np.array([_cells(window) for window in windows]), _cells(whole)
    if np.any(counts > totals):
        raise InvalidInput("a window has more values in a cell than the whole")
    specials = _specials(whole)
    if isinstance(whole, CategoricalProfile):
        order = np.append(np.argsort(-totals[:-specials], kind="stable"), np.arange(-specials, 0) + totals.size)
        counts, totals = counts[:, order], totals[order]
    groupings = _groupings(counts, totals, specials)
    ratios = [1.0, *(_dispersion(counts @ grouping, totals @ grouping) for grouping in groupings)]
    if isinstance(whole, NumericProfile):
        ratios.append(_rank_dispersion(counts[:, :-1], totals[:-1]))
    return 1 + (max(ratios) - 1) * caution(len(windows))


def _specials(column: ColumnProfile) -> int:
    return 2 if isinstance(column, CategoricalProfile) else 1


def _cells(column: ColumnProfile) -> FloatArray:
    specials = [column.other, column.missing] if isinstance(column, CategoricalProfile) else [column.missing]
    return np.append(column.counts, specials).astype(np.float64)


def _groupings(counts: FloatArray, totals: FloatArray, specials: int) -> Iterator[FloatArray]:
    """Indicators, shape [k, g], of which group each cell is in."""
    enough = MINIMUM_EXPECTED * float(totals.sum()) / float(counts.sum(axis=1).mean())
    body = totals[:-specials]
    apart = [cell for cell in range(body.size, totals.size) if totals[cell] >= enough / MINIMUM_EXPECTED]
    for cell in apart:
        yield np.eye(2)[(np.arange(totals.size) == cell).astype(np.int64)]
    previous: list[int] = []
    while body.size > 1 and len(previous) != 2:
        starts = group_starts(body, enough)
        starts = starts if len(starts) > 1 else halves(body)
        if starts != previous:
            yield _indicator(starts, body.size, apart, totals.size)
        previous, enough = starts, 2 * enough


def _indicator(starts: list[int], body: int, apart: list[int], size: int) -> FloatArray:
    labels = np.zeros(size, dtype=np.int64)
    labels[:body] = np.searchsorted(starts, np.arange(body), side="right") - 1
    labels[apart] = len(starts) + np.arange(len(apart))
    return np.eye(len(starts) + len(apart))[labels]


def _dispersion(counts: FloatArray, totals: FloatArray) -> float:
    """Mean Pearson's chi-square of each row of `counts`, shape [windows, g], against `totals` without it, by df.

    Times (N - 1) / N, which makes it 1 without overdispersion (Haldane 1940, Biometrika 31).
    """
    counts, totals = counts[:, totals > 0], totals[totals > 0]
    sizes, total = counts.sum(axis=1), float(totals.sum())
    some = (sizes > 0) & (sizes < total)
    if totals.size < 2 or not some.any():
        return 1.0
    sizes = sizes[some, np.newaxis]
    excess = (counts[some] - sizes * totals / total) ** 2 / totals
    chi_squares = excess.sum(axis=1) * total * (total - 1) / (sizes * (total - sizes))[:, 0]
    return float(chi_squares.mean()) / (totals.size - 1)


def _rank_dispersion(counts: FloatArray, totals: FloatArray) -> float:
    """As `_dispersion`, of each window's sum of mid-ranks."""
    sizes, total = counts.sum(axis=1), float(totals.sum())
    some = (sizes > 0) & (sizes < total)
    if np.count_nonzero(totals) < 2 or not some.any():
        return 1.0
    scores = np.cumsum(totals) - totals / 2
    scores = scores - float(scores @ totals) / total
    spread = float((scores * scores) @ totals) / (total - 1)
    sizes = sizes[some]
    squares = (counts[some] @ scores) ** 2 * total / (sizes * (total - sizes) * spread)
    return float(squares.mean())
