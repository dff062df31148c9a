"""A window's column beside the reference's: what the drift tests work on, and what they answer."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import xlogy

from tidemill_stats.arrays import FloatArray
from tidemill_stats.column import CategoricalProfile, ColumnProfile, NumericProfile, require_same_bins
from tidemill_stats.errors import InvalidInput

MINIMUM_EXPECTED = 10.0


@dataclass(frozen=True)
class DriftResult:
    """What drift test `test` says of one column.

    `statistic` is the test's own. `p_value`: the probability of a window at least this different if its values came
    from the reference's distribution, for these sizes of both. `effect` >= 0 is the size of the difference less what
    chance alone gives, so that it does not depend on the sizes.
    """

    test: str
    statistic: float
    p_value: float
    effect: float


@dataclass(frozen=True)
class Comparison:
    """One column of a reference and of a window that is counted in the reference's cells.

    `design_effect` >= 1: how many autocorrelated values carry the information of one independent value; counts are
    divided by it, the first-order correction of Rao & Scott (1981), JASA 76(374). Raises InvalidInput for a smaller
    one, IncompatibleProfiles unless both are binned alike.
    """

    reference: ColumnProfile
    window: ColumnProfile
    design_effect: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.design_effect < np.inf:
            raise InvalidInput(f"design_effect must be at least 1 and finite, not {self.design_effect}")
        require_same_bins(self.reference, self.window)

    @cached_property
    def numbers(self) -> tuple[NumericProfile, NumericProfile] | None:
        """Reference and window, if it is a column of numbers."""
        if isinstance(self.reference, NumericProfile) and isinstance(self.window, NumericProfile):
            return self.reference, self.window
        return None

    @cached_property
    def cells(self) -> FloatArray:
        """Effective counts, shape [2, k]: of the reference, of the window, per bin or kept category."""
        return np.array([self.reference.counts, self.window.counts]) / self.design_effect

    @cached_property
    def specials(self) -> list[tuple[float, float]]:
        """Effective counts, of the reference and of the window, of values of no kept category and of missing ones.

        For numbers of missing values alone, which come last.
        """
        a, b, by = self.reference, self.window, self.design_effect
        missing = (a.missing / by, b.missing / by)
        if isinstance(a, CategoricalProfile) and isinstance(b, CategoricalProfile):
            return [(a.other / by, b.other / by), missing]
        return [missing]

    @cached_property
    def sizes(self) -> tuple[float, float]:
        """Effective number of values, missing ones among them, of the reference and of the window."""
        reference, window = self.cells.sum(axis=1).tolist()
        return reference + sum(s[0] for s in self.specials), window + sum(s[1] for s in self.specials)

    @cached_property
    def ends(self) -> tuple[bool, bool]:
        """Whether the first cell counts what is below the reference's least value, and the last what is above."""
        if self.numbers is None or not self.numbers[0].edges.size or not self.numbers[0].present:
            return False, False
        edges, range_ = self.numbers[0].edges, self.numbers[0].moments
        return bool(edges[0] < range_.minimum), bool(edges[-1] >= range_.maximum)

    @property
    def empty(self) -> bool:
        """Whether a side has no values."""
        return min(self.sizes) == 0

    @cached_property
    def table(self) -> FloatArray:
        """Effective counts, shape [2, g], of grouped cells of which both sides expect `MINIMUM_EXPECTED` or more.

        Neighbouring cells are grouped for numbers, the least frequent for categories; missing and other values are
        cells of their own if there are enough, and left to `rare` if not. With too few values for two such cells there
        are two of about half the values each. Neither side may be empty.
        """
        cells, totals = self.cells, self.cells.sum(axis=0)
        if self.numbers is None:
            order = np.argsort(-totals, kind="stable")
            cells, totals = cells[:, order], totals[order]
        enough = enough_for(self.sizes)
        common = [special for special in self.specials if sum(special) >= enough]
        starts = group_starts(totals, enough)
        if len(starts) == 1 and not common and totals.size > 1:
            starts = halves(totals)
        table: FloatArray = np.add.reduceat(cells, starts, axis=1) if totals.size else cells
        if common:
            table = np.hstack([table, np.array(common).T])
        filled: FloatArray = table[:, table.any(axis=0)]
        return filled

    @cached_property
    def rare(self) -> tuple[float, float]:
        """Effective numbers of missing and other values, as far as they are too rare for `table`."""
        enough = enough_for(self.sizes)
        rare = [special for special in self.specials if sum(special) < enough]
        return sum(special[0] for special in rare), sum(special[1] for special in rare)

    @property
    def is_tabled(self) -> bool:
        """Whether `table` has at least two cells and something of both sides: all that a side has may be rare."""
        return not self.empty and self.table.shape[1] > 1 and bool(self.table.any(axis=1).all())

    @cached_property
    def distance(self) -> float:
        """Jensen-Shannon distance, 0 to 1, of the cells of `table` and the rare values, less what chance alone gives.

        Values beyond the reference's range are cells of their own here: they are new, however near they are.

        The square root of the divergence less its expectation without drift, (k - 1) (1/n + 1/m) / (8 ln 2), from its
        second-order expansion (Lin 1991, IEEE Trans. Inf. Theory 37(1)). 0 if a side is empty.
        """
        if self.empty:
            return 0.0
        table = np.column_stack([self._ends_apart(), self.rare])
        table = table[:, table.any(axis=0)]
        shares = table / np.array(self.sizes)[:, np.newaxis]
        bits = float(xlogy(shares, shares / (shares.sum(axis=0) / 2)).sum()) / (2 * math.log(2))
        by_chance = (table.shape[1] - 1) * (1 / self.sizes[0] + 1 / self.sizes[1]) / (8 * math.log(2))
        return math.sqrt(min(1.0, max(0.0, bits - by_chance)))

    def _ends_apart(self) -> FloatArray:
        """`table` with the cells of `ends` taken out of their groups."""
        low, high = self.ends
        apart = self.cells[:, [0] * low + [-1] * high]
        if not apart.any():
            return self.table
        table = self.table.copy()
        last = table.shape[1] - 1 - sum(sum(special) >= enough_for(self.sizes) for special in self.specials)
        for column, place in zip(apart.T, [0] * low + [last] * high, strict=True):
            table[:, place] -= column
        return np.hstack([table, apart])


def enough_for(sizes: tuple[float, float]) -> float:
    """The total a cell needs for both sides to expect `MINIMUM_EXPECTED` in it; neither size may be 0.

    Five would do about .01 (Cochran 1954, Biometrics 10(4)), but a cell of which five are expected is empty with
    probability .007, which spoils levels beyond.
    """
    return MINIMUM_EXPECTED * sum(sizes) / min(sizes)


def group_starts(totals: FloatArray, enough: float) -> list[int]:
    """Where groups of neighbours in `totals`, shape [k], begin: each sums to at least `enough`, or there is but one."""
    starts, total = [0], 0.0
    for index, cell in enumerate(totals.tolist(), start=1):
        total += cell
        if total >= enough:
            starts.append(index)
            total = 0.0
    return starts[:-1] if len(starts) > 1 else starts


def halves(totals: FloatArray) -> list[int]:
    """Where two groups of neighbours in `totals`, shape [k] with k >= 2, begin that come nearest to equal sums."""
    cumulated = np.cumsum(totals)
    return [0, 1 + int(np.argmin(np.abs(cumulated[:-1] - cumulated[-1] / 2)))]
