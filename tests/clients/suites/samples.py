"""Tensors to send: two rows of four values of each datatype, with the extremes it can hold."""

from typing import Any

import numpy as np

WIDTH = 4
INPUT, OUTPUT = "INPUT0", "OUTPUT0"
JSONLESS = ("FP16",)
"""Datatypes that Triton gives and takes in binary form only."""
_FLOATS = [0.1, -2.5, 1024.0, 0.0, -0.0, 3.0, 65504.0, 6.1e-5]


def _integers(dtype: type[np.integer[Any]]) -> Any:
    limits = np.iinfo(dtype)
    return np.array([0, 1, 2, 3, 42, 100, limits.min, limits.max], dtype)


VALUES: dict[str, Any] = {
    "BOOL": np.array([True, False, False, True, True, True, False, False]),
    "INT8": _integers(np.int8),
    "INT16": _integers(np.int16),
    "INT32": _integers(np.int32),
    "INT64": _integers(np.int64),
    "UINT8": _integers(np.uint8),
    "UINT16": _integers(np.uint16),
    "UINT32": _integers(np.uint32),
    "UINT64": _integers(np.uint64),
    "FP16": np.array(_FLOATS, np.float16),
    "FP32": np.array(_FLOATS, np.float32),
    "FP64": np.array(_FLOATS, np.float64),
    "BYTES": np.array([b"UA", b"", "Zürich ✈".encode(), b'"\\/\n\t', b"a b", b"0", b"{}", b"x" * 300], np.object_),
}
DATATYPES = tuple(VALUES)

CLASSIFIER_INPUTS: dict[str, tuple[str, Any]] = {
    "distance": ("FP32", np.array([[100.0], [2000.0], [0.0]], np.float32)),
    "stops": ("INT64", np.array([[0], [1], [0]], np.int64)),
    "carrier": ("BYTES", np.array([[b"UA"], [b"B6"], [b""]], np.object_)),
}
LABELS, PROBABILITIES = ("label", "INT64", 1), ("probabilities", "FP32", 2)


def sample(datatype: str) -> Any:
    """An array of [-1, WIDTH] of `datatype`; texts are bytes."""
    return VALUES[datatype].reshape(-1, WIDTH)


def flat(array: Any) -> list[Any]:
    """An array's values row by row, texts as str."""
    return [value.decode() if isinstance(value, bytes) else value for value in array.ravel().tolist()]


def classifier_outputs() -> tuple[Any, Any]:
    """What the classifier answers to `CLASSIFIER_INPUTS`: labels of [3, 1] and probabilities of [3, 2]."""
    distance, stops, carrier = (values for _, values in CLASSIFIER_INPUTS.values())
    score = distance / 1000 - stops + (carrier == b"UA") - 0.5
    positive = 1 / (1 + np.exp(-score))
    probabilities = np.concatenate([1 - positive, positive], axis=1).astype(np.float32)
    return probabilities.argmax(axis=1, keepdims=True).astype(np.int64), probabilities
