"""Many tests at once, and one after another without end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tidemill_stats.arrays import FloatArray
from tidemill_stats.errors import InvalidInput


def benjamini_hochberg(p_values: npt.ArrayLike) -> FloatArray:
    """Adjusted p-values, shape [m], in the order given: rejecting those <= q keeps the false discovery rate <= q.

    `p_values`: shape [m], 0 to 1, independent or positively dependent; else InvalidInput for shape and range.
    Source: Benjamini & Hochberg (1995), J. R. Statist. Soc. B 57(1).
    """
    p = _checked(p_values)
    order = np.argsort(-p)
    ranks = np.arange(p.size, 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum.accumulate(np.minimum(1.0, p[order] * p.size / ranks))
    return adjusted


def holm(p_values: npt.ArrayLike) -> FloatArray:
    """Adjusted p-values, shape [m], in the order given: rejecting those <= a keeps any false rejection's chance <= a.

    `p_values`: shape [m], 0 to 1, however dependent; else InvalidInput for shape and range.
    Source: Holm (1979), Scand. J. Statist. 6(2).
    """
    p = _checked(p_values)
    order = np.argsort(p)
    ranks = np.arange(p.size, 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, p[order] * ranks))
    return adjusted


@dataclass(frozen=True)
class OnlineFdr:
    """What LORD++ remembers: its level, the number of tests so far, and which of them (1, 2, …) rejected."""

    level: float
    tests: int = 0
    rejected: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise InvalidInput(f"level must lie between 0 and 1, not {self.level}")
        if list(self.rejected) != sorted(set(self.rejected)) or not all(1 <= r <= self.tests for r in self.rejected):
            raise InvalidInput("rejections must be increasing numbers of tests made")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON; `from_dict` reads them back."""
        return {"level": self.level, "tests": self.tests, "rejected": list(self.rejected)}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "OnlineFdr":
        """The state that `to_dict` wrote. Raises InvalidInput when `values` is anything else."""
        try:
            return OnlineFdr(float(values["level"]), int(values["tests"]), tuple(int(r) for r in values["rejected"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"not an online FDR state: {error!r}") from error


def step(state: OnlineFdr, p_values: Sequence[float]) -> tuple[OnlineFdr, list[bool]]:
    """The state after `p_values`, one after another, and which are rejected; of all rejections ever made, the expected
    share of false ones stays at or below `state.level`.

    LORD++ with half the level as initial wealth: Ramdas, Yang, Wainwright & Jordan (2017), arXiv 1710.00499; the
    weights are those of Javanmard & Montanari (2018), Ann. Statist. 46(2). Needs null p-values that are independent of
    one another; the ratio of the expectations (mFDR) also holds if they are merely valid given the past. Raises
    InvalidInput for a p-value outside 0..1.
    """
    tests, rejected, answers = state.tests, list(state.rejected), []
    for p in _checked(p_values).tolist():
        tests += 1
        answers.append(p <= _level(state.level, tests, rejected))
        if answers[-1]:
            rejected.append(tests)
    return OnlineFdr(state.level, tests, tuple(rejected)), answers


def _level(level: float, test: int, rejected: Sequence[int]) -> float:
    since = np.array([test, *(test - r for r in rejected)], dtype=np.float64)
    wealth = np.full(since.size, level)
    wealth[:2] = level / 2
    return float(wealth @ _weights(since))


def _weights(j: FloatArray) -> FloatArray:
    weights: FloatArray = _WEIGHT * np.log(np.maximum(j, 2)) / (j * np.exp(np.sqrt(np.log(j))))
    return weights


_WEIGHT = 0.0772  # makes the weights of all j >= 1 sum to .98


def _checked(p_values: npt.ArrayLike) -> FloatArray:
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not np.all((p >= 0) & (p <= 1)):
        raise InvalidInput("p-values must have shape [m] and lie in 0..1")
    return p
