"""Profiles made from columns of values."""

from collections.abc import Mapping

from tidemill_stats.arrays import AnyArray, trusted
from tidemill_stats.categories import profile_categories, profile_categories_like
from tidemill_stats.column import BINS, CATEGORY_CAP, CategoricalProfile, ColumnProfile, NumericProfile
from tidemill_stats.errors import IncompatibleProfiles, InvalidInput
from tidemill_stats.histograms import NUMERIC_KINDS, profile_numbers
from tidemill_stats.profile import DataProfile


def profile_columns(
    columns: Mapping[str, AnyArray],
    *,
    reference: DataProfile | None = None,
    times: tuple[int, int] | None = None,
    bins: int = BINS,
    category_cap: int = CATEGORY_CAP,
) -> DataProfile:
    """Profile of the rows of `columns`: arrays of shape [rows], one per column name.

    With a `reference`, each column is read and binned as there (a categorical column of numbers by their text), its
    categories outside the reference count as other, and the names must be the reference's. Without one, columns of
    booleans and numbers are numeric, cut into at most `bins` (>= 2) bins at quantiles of the data, with a sketch of the
    quantiles beside, and columns of objects and text are categorical, with the `category_cap` (>= 1) most frequent
    categories kept (ties by name). Distinct values are counted, by a sketch, in both.

    Numbers are rounded to float32 first, the precision of model inputs: otherwise 0.01 from a table and 0.01 from a
    tensor would lie on different sides of an edge at 0.01. What is not finite in float32 is missing.

    `times`: earliest and latest event time, microseconds since the epoch.

    Raises InvalidInput for columns of unequal length, another type or shape, or text where numbers are expected;
    IncompatibleProfiles when names differ from the reference's. Edges: quantiles by the inverse of the empirical
    distribution function, type 1 of Hyndman & Fan (1996), "Sample quantiles in statistical packages".
    """
    if bins < 2 or category_cap < 1:
        raise InvalidInput(f"bins must be at least 2 and category_cap at least 1, not {bins} and {category_cap}")
    lengths = {array.shape for array in columns.values()}
    if len(lengths) > 1 or any(len(shape) != 1 for shape in lengths):
        raise InvalidInput(f"columns must be of shape [rows], all alike, not {sorted(lengths)}")
    if reference is not None and reference.columns.keys() != columns.keys():
        raise IncompatibleProfiles(f"columns differ: {sorted(reference.columns.keys() ^ columns.keys())}")
    rows = next(iter(lengths))[0] if lengths else 0
    known = reference.columns if reference is not None else {}
    numeric = {name: column for name, column in known.items() if isinstance(column, NumericProfile)}
    numbers: dict[str, AnyArray] = {}
    profiles: dict[str, ColumnProfile] = {}
    for name, array in columns.items():
        if name in numeric or (reference is None and array.dtype.kind in NUMERIC_KINDS):
            numbers[name] = array
        else:
            profiles[name] = _categorical(name, array, known.get(name), category_cap)
    profiles.update(profile_numbers(numbers, None if reference is None else numeric, bins))
    in_order = {name: profiles[name] for name in sorted(profiles)}
    from_time, to_time = times if times is not None else (None, None)
    return trusted(DataProfile, rows=rows, columns=in_order, from_time=from_time, to_time=to_time)


def _categorical(name: str, array: AnyArray, reference: ColumnProfile | None, cap: int) -> CategoricalProfile:
    try:
        if isinstance(reference, CategoricalProfile):
            return profile_categories_like(array, reference)
        return profile_categories(array, cap)
    except InvalidInput as error:
        raise InvalidInput(f"column {name!r}: {error}") from error
