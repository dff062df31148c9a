"""The inner state of river's detectors as plain values, without pickle.

State is read attribute by attribute, and written into an object that was made anew with the same options, so it never
names a class. river's compiled parts give and take their state as bytes.
"""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from math import isfinite
from typing import Any

from river.drift import ADWIN, PageHinkley
from river.drift.binary import DDM, HDDMA, HDDMW
from river.drift.binary.hddm_w import SampleInfo
from river.stats import EWMean, Mean

from tidemill_stats.errors import InvalidInput

_OPEN = (ADWIN, PageHinkley, DDM, HDDMA, HDDMW, SampleInfo, Mean, EWMean)
_COMPILED = ("AdaptiveWindowing", "RsEWMean")
_DERIVED = ("_test_drift",)


def dump(part: Any) -> dict[str, Any]:
    """The state of a detector, or of a part of one, fit for JSON; exact. Raises InvalidInput for an unknown class."""
    if type(part) not in _OPEN:
        raise InvalidInput(f"the state of a {type(part).__name__} is not known to be complete")
    return {name: _plain(value) for name, value in vars(part).items() if name not in _DERIVED}


def load(part: Any, state: Mapping[str, Any]) -> None:
    """Put what `dump` gave into `part`, of the same class and options. Raises InvalidInput if it does not fit."""
    if set(state) != set(vars(part)) - set(_DERIVED):
        raise InvalidInput(f"not the state of a {type(part).__name__}")
    for name, value in state.items():
        inner = getattr(part, name)
        if isinstance(value, dict) and type(inner) in _OPEN:
            load(inner, value)
        elif isinstance(value, dict) and type(inner).__name__ in _COMPILED:
            _load_compiled(inner, _bytes(value))
        else:
            setattr(part, name, _number(value))


def _load_compiled(inner: Any, data: bytes) -> None:
    try:
        inner.__setstate__(data)
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise InvalidInput("the bytes of a detector's state are damaged") from error


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        return {"float": repr(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if type(value).__name__ in _COMPILED:
        return {"bytes": b64encode(value.__getstate__()).decode()}
    return dump(value)


def _number(value: Any) -> Any:
    try:
        return float(value["float"]) if isinstance(value, dict) else value
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"not a number: {value!r}") from error


def _bytes(value: Mapping[str, Any]) -> bytes:
    try:
        return b64decode(value["bytes"], validate=True)
    except (KeyError, TypeError, NotBase64) as error:
        raise InvalidInput("not the bytes of a detector's state") from error
