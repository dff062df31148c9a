"""What was found, as plain values fit for JSON; times in RFC 3339, numbers that are not finite as None."""

import math
from datetime import UTC, datetime
from typing import Any

from tidemill_stats.performance import MeanEstimate, auc_from_histograms

from tidemill_monitor.domain.estimates import estimate
from tidemill_monitor.domain.finding import Outcome
from tidemill_monitor.domain.judgement import Judged
from tidemill_monitor.domain.merged import Part, Sums
from tidemill_monitor.domain.monitors.promise import promise
from tidemill_monitor.domain.watched import Version

MIN_AGREEMENT_SHARE = 0.9


def judged_values(judged: Judged) -> dict[str, Any]:
    """What each monitor found in one stage of a window; of slices only what is not calm."""
    told = [one for one in judged.outcomes if not one.slice or one.windows]
    return {"version": judged.version, "monitors": [outcome_values(one) for one in told]}


def outcome_values(outcome: Outcome) -> dict[str, Any]:
    """A monitor's word: its strongest evidence, and the effects by subject where it looked at all rows."""
    best = outcome.strongest.evidence
    return {
        "monitor": outcome.monitor.name,
        "slice": outcome.slice,
        "level": outcome.level,
        "windows": outcome.windows,
        "since": time(outcome.since),
        "confirmed": outcome.confirmed,
        "alarm": outcome.alarm is not None,
        "strongest": {
            "subject": best.subject,
            "test": best.test,
            "scale": best.scale,
            "statistic": finite(best.statistic),
            "p_value": best.p_value,
            "effect": finite(best.effect),
            "explanation": best.explanation,
        },
        "subjects": {} if outcome.slice else _subjects(outcome),
    }


def performance_values(version: Version | None, part: Part, known: Sums) -> dict[str, Any]:
    """Counts, and each loss: realised, promised, and estimated from the answers alone with its interval of 95 %.

    `agreement`: probability of labels as far from the estimate, if nearly all have come.
    """
    names = sorted({*known, *part.metrics})
    auc = None
    if part.score_positives is not None and part.score_negatives is not None:
        auc = finite(auc_from_histograms(part.score_positives, part.score_negatives))
    return {
        "predictions": part.predictions,
        "errors": part.errors,
        "labelled": part.labelled,
        "auc": auc,
        "metrics": {name: _metric(version, part, known.get(name, MeanEstimate()), name) for name in names},
    }


def time(microseconds: int | None) -> str | None:
    """A time as RFC 3339."""
    return None if microseconds is None else datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat()


def finite(value: float) -> float | None:
    """The value unless it is infinite or not a number."""
    return value if math.isfinite(value) else None


def _metric(version: Version | None, part: Part, known: MeanEstimate, name: str) -> dict[str, Any]:
    promised = promise(version, name) if version is not None else None
    estimated = estimate(version.reference, part, name) if version is not None else None
    values: dict[str, Any] = {
        "labelled": known.count,
        "mean": finite(known.mean),
        "standard_error": finite(known.standard_error),
        "promised": finite(promised.mean) if promised is not None else None,
        "estimated": None,
    }
    if estimated is not None and math.isfinite(estimated.mean):
        low, high = estimated.interval()
        complete = known.count >= MIN_AGREEMENT_SHARE * max(1, estimated.rows)
        agreement = estimated.compare(known.mean).p_value if complete and known.count else None
        values["estimated"] = {"mean": estimated.mean, "low": low, "high": high, "agreement": agreement}
    return values


def _subjects(outcome: Outcome) -> dict[str, Any]:
    subjects: dict[str, Any] = {}
    for one in sorted((exhibit.evidence for exhibit in outcome.exhibits), key=lambda one: one.p_value):
        subjects.setdefault(
            one.subject, {"effect": finite(one.effect), "p_value": one.p_value, "test": one.test, "scale": one.scale}
        )
    return subjects
