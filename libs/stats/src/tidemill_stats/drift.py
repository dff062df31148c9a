"""Has the distribution of a column moved between a reference and a window?"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from tidemill_stats.arrays import FloatArray, IntArray
from tidemill_stats.distributions import chi_square_tail, hypergeometric_tail
from tidemill_stats.divergence import js_divergence
from tidemill_stats.errors import InvalidInput
from tidemill_stats.profile import (
    CategoricalProfile,
    ColumnProfile,
    DataProfile,
    require_same_bins,
    require_same_columns,
)

_MINIMUM_EXPECTED = 5.0


@dataclass(frozen=True)
class DriftResult:
    """What a drift test says of one column.

    `test` is the stronger of the two tests and `statistic` its own: chi-square, or the window's number of rare values.
    `p_value` is of both together; `effect` is the Jensen-Shannon distance (0 to 1), less what chance alone gives.
    """

    statistic: float
    p_value: float
    effect: float
    test: Literal["chi_square", "rare_values"]


def column_drift(reference: ColumnProfile, window: ColumnProfile, *, design_effect: float = 1.0) -> DriftResult:
    """Tests that the window's values come from the reference's distribution; missing is a cell like any other.

    Two independent tests, conditional on the cells' totals, so that the p-value holds for both sizes:
    - Pearson's chi-square (1900, Phil. Mag. 50) times (N - 1) / N, which makes its mean exact (Haldane 1940,
      Biometrika 31), on cells grouped (neighbours for numbers, the least frequent for categories) until both sides
      expect 5 (Cochran 1954, Biometrics 10(4)); G is too liberal on many cells that small;
    - where missing and other values are too rare for that, the one-sided hypergeometric test that the window has more
      of them. The smaller p-value of the two is corrected by Sidak (1967), JASA 62(318).

    `design_effect` >= 1: how many autocorrelated values carry the information of one independent value; counts are
    divided by it, which is the first-order correction of Rao & Scott (1981), JASA 76(374).

    The effect is the square root of the JS divergence of the grouped cells less its expectation without drift,
    (k - 1) (1/n + 1/m) / (8 ln 2), from its second-order expansion (Lin 1991), and so comparable between window sizes.
    An empty side gives p-value 1 and effect 0. Raises IncompatibleProfiles unless both are binned alike.
    """
    if not design_effect >= 1:
        raise InvalidInput(f"design_effect must be at least 1, not {design_effect}")
    require_same_bins(reference, window)
    counts = np.stack([_cells(reference), _cells(window)]) / design_effect
    special = 1 if not isinstance(reference, CategoricalProfile) else 2
    sizes = counts.sum(axis=1)
    if np.any(sizes == 0):
        return DriftResult(0.0, 1.0, 0.0, "chi_square")
    enough = _MINIMUM_EXPECTED * sizes.sum() / sizes.min()
    body, tail = counts[:, :-special], counts[:, -special:]
    if isinstance(reference, CategoricalProfile):
        body = body[:, np.argsort(-body.sum(axis=0), kind="stable")]
    common = tail.sum(axis=0) >= enough
    table = np.hstack([_group(body, enough), tail[:, common]])
    rare = tail[:, ~common].sum(axis=1)

    statistic, p_value = _chi_square_test(table)
    effect = _effect(np.column_stack([table, rare]), sizes)
    if rare.sum() == 0:
        return DriftResult(statistic, p_value, effect, "chi_square")
    rare_p_value = _rare_test(rare, sizes)
    both = float(-np.expm1(2 * np.log1p(-min(p_value, rare_p_value)))) if min(p_value, rare_p_value) < 1 else 1.0
    if rare_p_value < p_value:
        return DriftResult(float(_cells(window)[-special:][~common].sum()), both, effect, "rare_values")
    return DriftResult(statistic, both, effect, "chi_square")


def data_drift(reference: DataProfile, window: DataProfile, *, design_effect: float = 1.0) -> dict[str, DriftResult]:
    """`column_drift` of each column, with p-values adjusted over the columns by `benjamini_hochberg`.

    Raises IncompatibleProfiles unless both have the same columns, binned alike.
    """
    require_same_columns(reference, window)
    results = {
        name: column_drift(column, window.columns[name], design_effect=design_effect)
        for name, column in reference.columns.items()
    }
    adjusted = benjamini_hochberg([result.p_value for result in results.values()])
    return {
        name: replace(result, p_value=float(p)) for (name, result), p in zip(results.items(), adjusted, strict=True)
    }


def benjamini_hochberg(p_values: npt.ArrayLike) -> FloatArray:
    """Adjusted p-values, shape [m], in the order given: rejecting those <= q keeps the false discovery rate <= q.

    `p_values`: shape [m], 0 to 1, independent or positively dependent; else InvalidInput for shape and range.
    Source: Benjamini & Hochberg (1995), J. R. Statist. Soc. B 57(1).
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not np.all((p >= 0) & (p <= 1)):
        raise InvalidInput("p-values must have shape [m] and lie in 0..1")
    order = np.argsort(-p)
    ranks = np.arange(p.size, 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum.accumulate(np.minimum(1.0, p[order] * p.size / ranks))
    return adjusted


def _cells(column: ColumnProfile) -> IntArray:
    specials = [column.other, column.missing] if isinstance(column, CategoricalProfile) else [column.missing]
    return np.append(column.counts, np.array(specials, dtype=np.int64))


def _group(cells: FloatArray, enough: float) -> FloatArray:
    """Adds neighbouring columns of `cells`, shape [2, k], until each has a total of `enough`, or none can."""
    labels = np.zeros(cells.shape[1], dtype=np.int64)
    group, total = 0, 0.0
    for index, cell in enumerate(cells.sum(axis=0)):
        labels[index] = group
        total += cell
        if total >= enough:
            group, total = group + 1, 0.0
    labels = np.minimum(labels, max(group - 1, 0))
    return np.stack([np.bincount(labels, weights=row, minlength=1) for row in cells])


def _chi_square_test(table: FloatArray) -> tuple[float, float]:
    table = table[:, table.sum(axis=0) > 0]
    degrees = table.shape[1] - 1
    sizes = table.sum(axis=1)
    if degrees < 1 or np.any(sizes == 0):
        return 0.0, 1.0
    total = float(sizes.sum())
    expected = np.outer(sizes, table.sum(axis=0)) / total
    statistic = float(np.sum((table - expected) ** 2 / expected)) * (total - 1) / total
    return statistic, chi_square_tail(statistic, degrees)


def _rare_test(rare: FloatArray, sizes: FloatArray) -> float:
    reference, window = int(np.round(rare[0])), int(rare[1])
    population = max(int(np.round(sizes.sum())), reference + window)
    draws = int(np.round(sizes[1]))
    return hypergeometric_tail(window, population, reference + window, max(draws, window))


def _effect(table: FloatArray, sizes: FloatArray) -> float:
    cells = np.count_nonzero(table.sum(axis=0))
    by_chance = (cells - 1) * float(np.sum(1 / sizes)) / (8 * np.log(2))
    return float(np.sqrt(max(0.0, js_divergence(table[0], table[1]) - by_chance)))
