"""Pure statistics: profiles of data, drift tests, performance estimates, and the decision to raise an alarm."""

from tidemill_stats.decision import Alarm, DecisionRule, DecisionState, Evidence, Finding, Severity, restart, step
from tidemill_stats.divergence import js_distance, js_divergence, psi
from tidemill_stats.drift import DriftResult, benjamini_hochberg, column_drift, data_drift
from tidemill_stats.errors import IncompatibleProfiles, InvalidInput, StatsError
from tidemill_stats.moments import Moments
from tidemill_stats.performance import (
    DegradationResult,
    MeanEstimate,
    absolute_error,
    auc_from_histograms,
    correctness,
    degradation,
    log_loss,
    score_histograms,
    squared_error,
)
from tidemill_stats.profile import CategoricalProfile, ColumnProfile, DataProfile, NumericProfile, empty, merge
from tidemill_stats.profile_proto import from_proto, to_proto
from tidemill_stats.profiling import profile_columns

__all__ = [
    "Alarm",
    "CategoricalProfile",
    "ColumnProfile",
    "DataProfile",
    "DecisionRule",
    "DecisionState",
    "DegradationResult",
    "DriftResult",
    "Evidence",
    "Finding",
    "IncompatibleProfiles",
    "InvalidInput",
    "MeanEstimate",
    "Moments",
    "NumericProfile",
    "Severity",
    "StatsError",
    "absolute_error",
    "auc_from_histograms",
    "benjamini_hochberg",
    "column_drift",
    "correctness",
    "data_drift",
    "degradation",
    "empty",
    "from_proto",
    "js_distance",
    "js_divergence",
    "log_loss",
    "merge",
    "profile_columns",
    "psi",
    "restart",
    "score_histograms",
    "squared_error",
    "step",
    "to_proto",
]
