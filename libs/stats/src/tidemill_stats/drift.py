"""Has the distribution of a column moved between a reference and a window?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from tidemill_stats.cell_tests import chi_square, g_test, jensen_shannon, population_stability_index
from tidemill_stats.comparison import Comparison, DriftResult
from tidemill_stats.count_tests import missing_rate, out_of_range, rare_values, unseen_categories
from tidemill_stats.errors import InvalidInput
from tidemill_stats.multiplicity import benjamini_hochberg
from tidemill_stats.order_tests import kolmogorov_smirnov, wasserstein
from tidemill_stats.profile import ColumnProfile, DataProfile, require_same_columns
from tidemill_stats.shift_tests import mean_shift, rank_shift

__all__ = ["DEFAULT", "TESTS", "DriftResult", "DriftTest", "benjamini_hochberg", "column_drift", "data_drift"]

DriftTest = Callable[[Comparison], DriftResult | None]
"""A test of one column; None where it has nothing to say of that kind of column, or of so little data."""

TESTS: Mapping[str, DriftTest] = MappingProxyType(
    {
        "chi_square": chi_square,
        "g_test": g_test,
        "jensen_shannon": jensen_shannon,
        "kolmogorov_smirnov": kolmogorov_smirnov,
        "mean_shift": mean_shift,
        "missing_rate": missing_rate,
        "out_of_range": out_of_range,
        "population_stability_index": population_stability_index,
        "rank_shift": rank_shift,
        "rare_values": rare_values,
        "unseen_categories": unseen_categories,
        "wasserstein": wasserstein,
    }
)

DEFAULT: tuple[str, ...] = ("g_test", "rank_shift", "out_of_range", "rare_values")
"""Any difference, a shift, values beyond the range, and missing or unseen values too rare for the first."""


def column_drift(
    reference: ColumnProfile, window: ColumnProfile, *, design_effect: float = 1.0, tests: Sequence[str] = DEFAULT
) -> DriftResult:
    """The strongest of `tests` (names in `TESTS`), with one honest p-value for all of them.

    The p-value is the smallest times the number of those that apply (Bonferroni 1936), valid however they depend on one
    another. Which apply depends only on what both sides have in common, not on how they differ. The effect is the
    Jensen-Shannon distance, 0 to 1, less what chance alone gives (`Comparison.distance`), whatever the test. An empty
    side, or no test that applies, gives p-value 1.

    `design_effect` >= 1: how many autocorrelated values carry the information of one independent value (see
    `overdispersion.design_effects`). Raises InvalidInput for a smaller one or an unknown test, IncompatibleProfiles
    unless both are binned alike.
    """
    unknown = [name for name in tests if name not in TESTS]
    if unknown or not tests:
        raise InvalidInput(f"no drift tests {unknown}; there are {sorted(TESTS)}")
    comparison = Comparison(reference, window, design_effect)
    results = [result for name in tests if (result := TESTS[name](comparison)) is not None]
    if not results:
        return DriftResult(tests[0], 0.0, 1.0, comparison.distance)
    strongest = min(results, key=lambda result: result.p_value)
    p_value = min(1.0, strongest.p_value * len(results))
    return DriftResult(strongest.test, strongest.statistic, p_value, comparison.distance)


def data_drift(
    reference: DataProfile,
    window: DataProfile,
    *,
    design_effects: Mapping[str, float] | None = None,
    tests: Sequence[str] = DEFAULT,
) -> dict[str, DriftResult]:
    """`column_drift` of each column, with p-values adjusted over the columns by `benjamini_hochberg`.

    `design_effects`, by column name; 1 for those not named. Raises as `column_drift`, and IncompatibleProfiles unless
    both have the same columns.
    """
    require_same_columns(reference, window)
    given = design_effects or {}
    results = {
        name: column_drift(column, window.columns[name], design_effect=given.get(name, 1.0), tests=tests)
        for name, column in reference.columns.items()
    }
    adjusted = benjamini_hochberg([result.p_value for result in results.values()])
    return {
        name: replace(result, p_value=float(p)) for (name, result), p in zip(results.items(), adjusted, strict=True)
    }
