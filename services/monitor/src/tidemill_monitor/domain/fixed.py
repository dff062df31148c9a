"""Sums that do not depend on the order of their terms: each value is rounded to a step, and the steps are counted."""

import math
from dataclasses import dataclass

import numpy as np
from tidemill.v1.reference_pb2 import MetricSums
from tidemill_stats.arrays import FloatArray, IntArray

LIMIT = 1024.0
STEPS = 1 << 20


def fixed_point(values: FloatArray) -> tuple[IntArray, IntArray]:
    """Values and their squares in steps of 2^-20, of the values' shape; clipped at ±1024, NaN counts as 0.

    Sums of up to 2^22 of either fit into 64 bits.
    """
    clipped = np.clip(np.nan_to_num(values, nan=0.0, posinf=LIMIT, neginf=-LIMIT), -LIMIT, LIMIT)
    return np.rint(clipped * STEPS).astype(np.int64), np.rint(np.square(clipped) * STEPS).astype(np.int64)


@dataclass(frozen=True)
class StepSums:
    """Count of some values, sums of them and of their squares in steps of 2^-20; `a + b` is of the values of both."""

    count: int = 0
    total: int = 0
    squares: int = 0

    @staticmethod
    def of(values: FloatArray) -> "StepSums":
        """Sums of finite `values`, shape [n]."""
        steps, squares = fixed_point(values)
        return StepSums(values.size, int(steps.sum()), int(squares.sum()))

    def __add__(self, other: "StepSums") -> "StepSums":
        return StepSums(self.count + other.count, self.total + other.total, self.squares + other.squares)

    def message(self, one: float = 1.0) -> MetricSums:
        """The sums as a message, of values that were in the unit `one`."""
        return metric_sums(self.count, self.total, self.squares, one)


def unit(typical: float) -> float:
    """The power of two at or below a typical size, the unit in which values of about that size are summed."""
    if not (math.isfinite(typical) and typical > 0):
        return 1.0
    return 2.0 ** math.floor(math.log2(typical))


def metric_sums(count: int, total: int, squares: int, one: float = 1.0) -> MetricSums:
    """Sums of `count` values in the unit `one`, from the sums of `fixed_point`."""
    return MetricSums(count=count, sum=total * one / STEPS, sum_of_squares=squares * one * one / STEPS)
