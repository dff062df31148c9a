"""Online detection of a change in the rate of errors, where the pipeline file asks for it."""

import numpy as np
from tidemill_stats.arrays import FloatArray
from tidemill_stats.detectors import Detector, create, from_bytes
from tidemill_stats.errors import StatsError
from tidemill_stats.evidence import Evidence
from tidemill_stats.performance import MeanEstimate

from tidemill_monitor.domain.context import MIN_ROWS, Context
from tidemill_monitor.domain.exhibit import Exhibit
from tidemill_monitor.domain.monitors.performance import known_losses
from tidemill_monitor.domain.monitors.promise import promise

METRIC = "error_rate"


def error_detector(context: Context) -> list[Exhibit]:
    """What the detector said of the window."""
    return list(context.detections)


def feed(context: Context, state: bytes, rate: float) -> tuple[bytes, list[Exhibit]]:
    """The detector's state after the window's errors, and its evidence; `rate`: false alarms by row, above 0.

    Sums do not say in which order errors came; without a change every order is as likely (exchangeable rows), so one
    is drawn, the same in every replay.
    """
    rule = context.watch.monitors.performance
    expected = promise(context.version, METRIC)
    if rule is None or rule.detector is None or context.watch.classes is None or expected is None:
        return b"", []
    count = len(context.windows)
    now = known_losses(context, METRIC, count - 1, count)[0]
    detector = _restored(state) or _new(rule.detector, expected)
    if not now.count:
        return detector.to_bytes(), []
    found = detector.update(_errors(now, context.window.start), 1 / rate)
    level = now.mean if found.estimate is None else found.estimate
    mean = max(level, now.mean) if found.changed else level
    effect = (mean - expected.mean) / (expected.mean or 1.0)
    text = (
        f"{rule.detector} sees a change to {mean:.4f} where {expected.mean:.4f} was promised"
        if found.changed
        else f"{rule.detector} sees no change"
    )
    p_value = float(not found.changed or expected.count < MIN_ROWS)
    return detector.to_bytes(), [Exhibit(Evidence(METRIC, rule.detector, mean, p_value, effect, 1, text))]


def _restored(state: bytes) -> Detector | None:
    """The detector as it was; None if there is none, or its state is of another version of the library."""
    try:
        return from_bytes(state) if state else None
    except StatsError:
        return None


def _new(name: str, expected: MeanEstimate) -> Detector:
    if name != "e_detector":
        return create(name)
    return create(name, mean=expected.mean, standard_error=expected.standard_error, sides="up")


def _errors(now: MeanEstimate, seed: int) -> FloatArray:
    wrong = min(now.count, max(0, round(now.sum)))
    values = np.zeros(now.count)
    values[:wrong] = 1.0
    return np.random.default_rng(seed).permutation(values)
