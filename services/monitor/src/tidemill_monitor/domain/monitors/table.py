"""The monitors there are. Another one is a function and a line here."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from tidemill.v1 import monitoring_pb2 as pb
from tidemill_contracts.durations import microseconds
from tidemill_contracts.monitors import DriftRule, Monitors
from tidemill_stats.decision import DecisionRule, RetrainingBudget
from tidemill_stats.evidence import Action

from tidemill_monitor.domain.context import Context
from tidemill_monitor.domain.exhibit import Exhibit
from tidemill_monitor.domain.monitors.detector import error_detector
from tidemill_monitor.domain.monitors.estimated import estimated_performance
from tidemill_monitor.domain.monitors.inputs import input_drift
from tidemill_monitor.domain.monitors.multivariate import multivariate_drift
from tidemill_monitor.domain.monitors.outliers import outlier_rate
from tidemill_monitor.domain.monitors.performance import performance_drift
from tidemill_monitor.domain.monitors.predictions import prediction_drift
from tidemill_monitor.domain.monitors.schema import schema_skew
from tidemill_monitor.domain.monitors.serving import numerical_health, serving
from tidemill_monitor.domain.monitors.staleness import staleness
from tidemill_monitor.domain.monitors.traffic import traffic
from tidemill_monitor.domain.state import Stage

SERVING_PERSISTENCE = 2
CRITICAL_SHARE = 0.5


@dataclass(frozen=True)
class Monitor:
    """One kind of watching.

    `weigh` gives the evidence on a window, nothing where there is too little data to say anything. `rule`: from the
    pipeline file, None if it is off. `tests`: whether its evidence is of chance and spends from the false alarms that
    are put up with. `sliced`: whether slices are watched too. `of_classes`: whether it watches classifiers alone.
    """

    name: str
    kind: pb.DriftKind
    what: str
    stage: Stage
    weigh: Callable[[Context], list[Exhibit]]
    rule: Callable[[Monitors], DecisionRule | None]
    tests: bool = True
    sliced: bool = False
    of_classes: bool = False


def _drift(pick: Callable[[Monitors], DriftRule | None]) -> Callable[[Monitors], DecisionRule | None]:
    def rule(monitors: Monitors) -> DecisionRule | None:
        asked = pick(monitors)
        if asked is None:
            return None
        critical = inf if asked.critical_effect is None else asked.critical_effect
        return _rule(monitors, asked.min_effect, asked.action, asked.persistence, critical)

    return rule


def _rule(monitors: Monitors, least: float, action: str, persistence: int, critical: float = inf) -> DecisionRule:
    retraining = monitors.retraining
    return DecisionRule(
        min_effect=least,
        action=Action(action),
        persistence=persistence,
        cooldown=microseconds(monitors.cooldown),
        critical_effect=critical,
        retrainings=RetrainingBudget(retraining.at_most, microseconds(retraining.per)),
    )


def _detector(monitors: Monitors) -> DecisionRule | None:
    rule = monitors.performance
    if rule is None or rule.detector is None:
        return None
    return _rule(monitors, rule.min_effect, rule.action, 1, rule.critical_effect or inf)


def _stale(monitors: Monitors) -> DecisionRule | None:
    asked = monitors.staleness
    known = asked.model or asked.data or asked.labels
    return _rule(monitors, 1.0, asked.action, 1) if known else None


def _serving(monitors: Monitors) -> DecisionRule | None:
    asked = monitors.serving
    return _rule(monitors, 0.0, asked.action, SERVING_PERSISTENCE, CRITICAL_SHARE) if asked else None


def _numerical(monitors: Monitors) -> DecisionRule | None:
    asked = monitors.serving
    return _rule(monitors, 0.0, asked.action, 1, CRITICAL_SHARE) if asked else None


MONITORS: tuple[Monitor, ...] = (
    Monitor(
        "input",
        pb.DRIFT_KIND_INPUT,
        "inputs differ from training",
        "inputs",
        input_drift,
        _drift(lambda one: one.input_drift),
        sliced=True,
    ),
    Monitor(
        "schema",
        pb.DRIFT_KIND_SCHEMA_SKEW,
        "inputs break the schema",
        "inputs",
        schema_skew,
        _drift(lambda one: one.schema_skew),
    ),
    Monitor(
        "multivariate",
        pb.DRIFT_KIND_MULTIVARIATE,
        "inputs together differ from training",
        "inputs",
        multivariate_drift,
        _drift(lambda one: one.multivariate_drift),
    ),
    Monitor(
        "outliers",
        pb.DRIFT_KIND_OUTLIERS,
        "there are more outliers than in training",
        "inputs",
        outlier_rate,
        _drift(lambda one: one.outliers),
    ),
    Monitor(
        "prediction",
        pb.DRIFT_KIND_PREDICTION,
        "answers differ from those on the test rows",
        "inputs",
        prediction_drift,
        _drift(lambda one: one.prediction_drift),
        sliced=True,
    ),
    Monitor(
        "estimated",
        pb.DRIFT_KIND_ESTIMATED_PERFORMANCE,
        "performance, estimated without labels, falls",
        "inputs",
        estimated_performance,
        _drift(lambda one: one.estimated_performance),
        of_classes=True,
    ),
    Monitor(
        "numerical",
        pb.DRIFT_KIND_NUMERICAL_HEALTH,
        "answers are no good numbers",
        "inputs",
        numerical_health,
        _numerical,
    ),
    Monitor("serving", pb.DRIFT_KIND_SERVING, "answers are slow or fail", "inputs", serving, _serving),
    Monitor(
        "traffic",
        pb.DRIFT_KIND_TRAFFIC,
        "traffic is not as it was",
        "inputs",
        traffic,
        _drift(lambda one: one.traffic),
        tests=False,
    ),
    Monitor("staleness", pb.DRIFT_KIND_STALENESS, "something is too old", "inputs", staleness, _stale, tests=False),
    Monitor(
        "performance",
        pb.DRIFT_KIND_PERFORMANCE,
        "performance is below its promise",
        "performance",
        performance_drift,
        _drift(lambda one: one.performance),
        sliced=True,
    ),
    Monitor(
        "detector",
        pb.DRIFT_KIND_PERFORMANCE,
        "errors have become more frequent",
        "performance",
        error_detector,
        _detector,
        of_classes=True,
    ),
)
