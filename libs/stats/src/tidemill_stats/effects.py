"""Design effects of everything that is watched, from consecutive windows of the training rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tidemill_stats.arrays import AnyArray, FloatArray, SingleArray
from tidemill_stats.multivariate import KernelReference, KernelSums, kernel_design_effect
from tidemill_stats.outliers import OutlierReference
from tidemill_stats.overdispersion import caution, design_effects
from tidemill_stats.pca import PcaReference
from tidemill_stats.profile import DataProfile, merge_many
from tidemill_stats.profiling import profile_columns
from tidemill_stats.reference import DesignEffects

SCALES = (1, 4, 16)
_FEWEST_PARTS = 3


@dataclass(frozen=True)
class Stream:
    """Training rows in the order of time: `columns` and `answers` (as of `answers.output_columns`) of shape [n], their
    profile `inputs`, `losses` [n] by metric (NaN: none), and `matrix` [n, width], encoded for the other references."""

    columns: Mapping[str, AnyArray]
    inputs: DataProfile
    answers: Mapping[str, AnyArray]
    losses: Mapping[str, FloatArray]
    matrix: SingleArray
    kernel: KernelReference
    pca: PcaReference
    outliers: OutlierReference


@dataclass(frozen=True)
class _Part:
    """Consecutive rows, and what merges of them."""

    rows: slice
    inputs: DataProfile
    answers: DataProfile
    embedding: KernelSums


def effects_by_scale(stream: Stream, windows: Sequence[slice]) -> dict[int, DesignEffects]:
    """Design effects of one, four and 16 of the `windows` of rows together, which follow one another.

    Measured where the rows make at least three parts of a scale, and then no larger than if the parts of the scale
    before were all alike. Where they do not, what exceeds 1 grows with the number of rows as it did between the last
    two scales, and in proportion where only one is known: as for rows that are equally alike however far apart (Kish
    1965, "Survey Sampling", section 5.4). Without three windows nothing is known: 1.
    """
    answered = profile_columns(stream.answers)
    parts = [_part(stream, answered, rows) for rows in windows]
    means = dict(_means(stream))
    known: list[DesignEffects] = []
    for scale in SCALES:
        merged = [_together(parts[first : first + scale]) for first in range(0, len(parts) - scale + 1, scale)]
        if len(merged) >= _FEWEST_PARTS:
            measured = _measured(stream, answered, means, merged)
            known.append(DesignEffects(scale, len(merged), _bounded(measured, scale, known)))
        elif known:
            known.append(_extrapolated(scale, known))
    return {one.scale: one for one in known}


def _part(stream: Stream, answered: DataProfile, rows: slice) -> _Part:
    return _Part(
        rows,
        profile_columns({name: values[rows] for name, values in stream.columns.items()}, reference=stream.inputs),
        profile_columns({name: values[rows] for name, values in stream.answers.items()}, reference=answered),
        stream.kernel.sums(stream.matrix[rows]),
    )


def _together(parts: Sequence[_Part]) -> _Part:
    if len(parts) == 1:
        return parts[0]
    return _Part(
        slice(parts[0].rows.start, parts[-1].rows.stop),
        merge_many(part.inputs for part in parts),
        merge_many(part.answers for part in parts),
        sum((part.embedding for part in parts[1:]), start=parts[0].embedding),
    )


def _means(stream: Stream) -> Iterator[tuple[str, FloatArray]]:
    """Values of each row of which means are watched, shape [n], by subject."""
    for name, losses in stream.losses.items():
        yield f"loss:{name}", losses
    yield "pca", stream.pca.errors(stream.matrix)
    yield "outliers", (stream.outliers.forest.score(stream.matrix) > stream.outliers.threshold).astype(np.float64)


def _measured(
    stream: Stream, answered: DataProfile, means: Mapping[str, FloatArray], parts: Sequence[_Part]
) -> dict[str, float]:
    """Overdispersion of the parts, by subject."""
    ratios = {name: _of_means(values, [part.rows for part in parts]) for name, values in means.items()}
    ratios["kernel"] = kernel_design_effect(stream.kernel, (part.embedding for part in parts))
    outputs = design_effects([part.answers for part in parts], answered)
    return {
        **design_effects([part.inputs for part in parts], stream.inputs),
        **{f"output:{name}": value for name, value in outputs.items()},
        **{name: 1 + max(0.0, ratio - 1) * caution(len(parts)) for name, ratio in ratios.items()},
    }


def _of_means(values: FloatArray, parts: Sequence[slice]) -> float:
    """Variance of the parts' means against that of independent rows (Kish 1965, "Survey Sampling", section 5.4).

    Each squared deviation is over its own expectation, s^2 (1/n - 1/N), for the mean is that of all the N rows.
    """
    every = values[np.isfinite(values)]
    variance = float(np.var(every)) if every.size else 0.0
    if variance == 0:
        return 1.0
    mean, ratios = float(np.mean(every)), []
    for rows in parts:
        some = values[rows][np.isfinite(values[rows])]
        if 0 < some.size < every.size:
            expected = variance * (1 / some.size - 1 / every.size)
            ratios.append((float(np.mean(some)) - mean) ** 2 / expected)
    return sum(ratios) / len(ratios) if ratios else 1.0


def _bounded(values: Mapping[str, float], scale: int, known: Sequence[DesignEffects]) -> dict[str, float]:
    if not known:
        return dict(values)
    before = known[-1]
    return {name: min(value, before.of(name) * scale / before.scale) for name, value in values.items()}


def _extrapolated(scale: int, known: Sequence[DesignEffects]) -> DesignEffects:
    last = known[-1]
    most = scale / last.scale
    values = {}
    for name, value in last.values.items():
        before = known[-2].of(name) - 1 if len(known) > 1 else 0.0
        growth = min(most, max(1.0, (value - 1) / before)) if before > 0 else most
        values[name] = 1 + (value - 1) * growth
    return DesignEffects(scale, last.parts, values)
