"""Detectors of change in one stream of values behind one protocol, by name, with state that serialises.

`e_detector` is ours and promises its rate of false alarms; the others are river's, with none promised over time.
Serialised state is JSON with a checksum: options and numbers that are put back into a detector made anew, so nothing
in it can name a class or run code. It holds for the version of river that wrote it.
Sources: ADWIN, Bifet & Gavalda 2007, SDM; Page-Hinkley, Page 1954, Biometrika 41; DDM, Gama et al. 2004, SBIA; HDDM,
Frias-Blanco et al. 2015, IEEE TKDE 27; e-detectors, Shin, Ramdas & Rinaldo 2022, arXiv 2203.03532.
"""

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal, Protocol

import numpy as np
from river.drift import ADWIN, PageHinkley
from river.drift.binary import DDM, HDDMA, HDDMW

from tidemill_stats import river_state
from tidemill_stats.arrays import FloatArray
from tidemill_stats.baseline import Baseline
from tidemill_stats.edetector import EDetector, EState, advance
from tidemill_stats.errors import InvalidInput

WARNING_CAPITAL = 0.1


@dataclass(frozen=True)
class Detection:
    """What one batch showed: the first change, `at` values into it (1 to n), None without one.

    `state`: "drift" if it changed anywhere in the batch, else that after its last value; `estimate`: the mean of the
    values the detector takes to be of one regime, None before the first.
    """

    changed: bool
    at: int | None
    state: Literal["stable", "warning", "drift"]
    estimate: float | None


class Detector(Protocol):
    """Looks for changes in a stream of values."""

    def update(self, values: FloatArray, mean_run_length: float | None = None) -> Detection:
        """Take in `values` [n], finite, in order. Raises InvalidInput for anything else.

        `mean_run_length` > 1: what is promised on these values, by a detector that promises; None: as it was made.
        """
        ...

    def to_bytes(self) -> bytes:
        """Everything it knows; `from_bytes` gives a detector that answers exactly alike ever after."""
        ...


@dataclass(frozen=True)
class _Kind:
    make: Callable[..., Any]
    estimate: Callable[[Any], float | None]
    unit_interval: bool


_RIVER = {
    "adwin": _Kind(ADWIN, lambda inner: inner.estimation if inner.width else None, False),
    "page_hinkley": _Kind(PageHinkley, lambda inner: inner._x_mean.get() if inner._x_mean.n else None, False),
    "ddm": _Kind(DDM, lambda inner: inner._p.get() if inner._p.n else None, True),
    "hddm_a": _Kind(HDDMA, lambda inner: inner._z.get() if inner._z.n else None, True),
    "hddm_w": _Kind(HDDMW, lambda inner: inner._total.ewma if inner._total.is_init else None, True),
}
DETECTORS = (*_RIVER, "e_detector")


class RiverDetector:
    """One of river's detectors; `options` are river's own. Binary ones (ddm, hddm_*) take losses in [0, 1]."""

    def __init__(self, name: str, **options: Any) -> None:
        self._name, self._options, self._kind = name, options, _RIVER[name]
        self._inner = self._kind.make(**options)

    def update(self, values: FloatArray, mean_run_length: float | None = None) -> Detection:
        """See `Detector`."""
        _check(values, (0.0, 1.0) if self._kind.unit_interval else None)
        at, inner = None, self._inner
        for index, value in enumerate(values.tolist(), start=1):
            inner.update(value)
            if at is None and inner.drift_detected:
                at = index
        warning = getattr(inner, "warning_detected", False)
        return _detection(at, bool(warning), self._kind.estimate(inner))

    def to_bytes(self) -> bytes:
        """See `Detector`."""
        return _seal(self._name, self._options, river_state.dump(self._inner))

    def _load(self, state: Mapping[str, Any]) -> None:
        river_state.load(self._inner, state)


class EDetectorStream:
    """An e-detector of one stream of values in [low, high]; values outside are clipped.

    `mean` and its `standard_error` before a change; without change at least `mean_run_length` values on average pass
    between alarms. A warning is a tenth of the evidence that an alarm needs.
    """

    def __init__(
        self,
        mean: float,
        standard_error: float = 0.0,
        *,
        low: float = 0.0,
        high: float = 1.0,
        sides: str = "both",
        mean_run_length: float = 50_000.0,
    ) -> None:
        self._options = {"mean": mean, "standard_error": standard_error, "low": low, "high": high, "sides": sides}
        self._options["mean_run_length"] = mean_run_length
        if not 1 < mean_run_length < np.inf:
            raise InvalidInput("need mean_run_length > 1")
        baseline = Baseline.estimated(np.array([mean]), np.array([standard_error]), low=low, high=high)
        self._level, self._detector = 1 / mean_run_length, EDetector(baseline, sides)
        self._state, self._count, self._sum = self._detector.start(), 0, 0.0

    def update(self, values: FloatArray, mean_run_length: float | None = None) -> Detection:
        """See `Detector`."""
        _check(values, None)
        level = self._level if mean_run_length is None else 1 / mean_run_length
        self._state, changes = advance(self._detector, self._state, values[:, None], level)
        if changes:
            self._count, self._sum = 0, 0.0
        present = values[changes[-1].at if changes else 0 :]
        self._count, self._sum = self._count + len(present), self._sum + float(present.sum())
        estimate = self._sum / self._count if self._count else None
        warning = float(self._state.capital.sum()) >= WARNING_CAPITAL
        return _detection(changes[0].at if changes else None, warning, estimate)

    def to_bytes(self) -> bytes:
        """See `Detector`."""
        state = {"capital": self._state.to_dict(), "count": self._count, "sum": self._sum}
        return _seal("e_detector", self._options, state)

    def _load(self, state: Mapping[str, Any]) -> None:
        try:
            self._count, self._sum = int(state["count"]), float(state["sum"])
            self._state = EState.from_dict(state["capital"], self._detector)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"not an e-detector's state: {error!r}") from error


def create(name: str, **options: Any) -> RiverDetector | EDetectorStream:
    """A new detector, `name` one of DETECTORS. Raises InvalidInput for an unknown name or option."""
    try:
        if name in _RIVER:
            return RiverDetector(name, **options)
        if name == "e_detector":
            return EDetectorStream(**options)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{name}: {error}") from error
    raise InvalidInput(f"unknown detector {name!r}; there are {', '.join(DETECTORS)}")


def from_bytes(data: bytes) -> RiverDetector | EDetectorStream:
    """The detector that `to_bytes` wrote. Raises InvalidInput if damaged or written with another version of river."""
    try:
        checksum, body = data[:8], data[8:]
        if checksum != _checksum(body):
            raise InvalidInput("a detector's state is damaged")
        envelope = json.loads(body)
        if envelope["river"] != version("river"):
            raise InvalidInput(f"the state was written with river {envelope['river']}")
        detector = create(envelope["name"], **envelope["options"])
        detector._load(envelope["state"])
        return detector
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InvalidInput(f"not a detector's state: {error!r}") from error


def _seal(name: str, options: Mapping[str, Any], state: Mapping[str, Any]) -> bytes:
    envelope = {"name": name, "river": version("river"), "options": options, "state": state}
    body = json.dumps(envelope, sort_keys=True, allow_nan=False).encode()
    return _checksum(body) + body


def _checksum(body: bytes) -> bytes:
    return f"{zlib.crc32(body):08x}".encode()


def _check(values: FloatArray, limits: tuple[float, float] | None) -> None:
    if values.ndim != 1 or not np.all(np.isfinite(values)):
        raise InvalidInput("need finite values of shape [n]")
    if limits and not np.all((limits[0] <= values) & (values <= limits[1])):
        raise InvalidInput(f"need values from {limits[0]} to {limits[1]}")


def _detection(at: int | None, warning: bool, estimate: float | None) -> Detection:
    if at is not None:
        return Detection(True, at, "drift", estimate)
    return Detection(False, None, "warning" if warning else "stable", estimate)
