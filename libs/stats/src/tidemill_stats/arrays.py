"""Array types, and values that are safe to keep: read-only arrays and dataclasses of fields already checked."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
SingleArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
ByteArray = npt.NDArray[np.uint8]
HashArray = npt.NDArray[np.uint64]
BoolArray = npt.NDArray[np.bool_]
AnyArray = npt.NDArray[np.generic]

_Value = TypeVar("_Value")


def frozen_ints(values: npt.ArrayLike) -> IntArray:
    """A read-only int64 copy of `values`."""
    copy = np.array(values, dtype=np.int64)
    copy.setflags(write=False)
    return copy


def frozen_floats(values: npt.ArrayLike) -> FloatArray:
    """A read-only float64 copy of `values`."""
    copy = np.array(values, dtype=np.float64)
    copy.setflags(write=False)
    return copy


def frozen_singles(values: npt.ArrayLike) -> SingleArray:
    """A read-only float32 copy of `values`."""
    copy = np.array(values, dtype=np.float32)
    copy.setflags(write=False)
    return copy


def trusted(kind: type[_Value], **fields: object) -> _Value:
    """A frozen dataclass of `fields` that hold by construction, arrays read-only: `__post_init__` is not run."""
    value = object.__new__(kind)
    value.__dict__.update(fields)
    return value
