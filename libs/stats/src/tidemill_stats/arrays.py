"""Array types and the copy that makes an array safe to keep in a frozen dataclass."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
AnyArray = npt.NDArray[np.generic]


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
