"""What is watched while a version serves: the `monitors` part of the pipeline file.

Everything has a default that is meant for everyone. What is asked in the first place is a rate of false alarms; the
levels of the tests follow from it.
"""

from datetime import datetime, timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from tidemill_contracts.values import Duration, Mistake, PositiveDuration, Strict, time_zone

PANES = 4
Action = Literal["retrain", "tell_data_scientist", "tell_data_engineer"]
Season = Literal["hour_of_day", "day_of_week"]
SEASON_LENGTHS = {"hour_of_day": timedelta(hours=1), "day_of_week": timedelta(days=1)}


class FalseAlarms(Strict):
    """How many false alarms are put up with, over all features and tests of a model: the rarer of the two."""

    observations: int = Field(default=50_000, ge=1000, description="At most one in this many predictions.")
    period: PositiveDuration = Field(default=timedelta(days=30), description="At most one in this much event time.")


class Retraining(Strict):
    """How often drift may ask for a retraining; what comes above that is told to the data scientist."""

    at_most: int = Field(default=1, ge=1)
    per: PositiveDuration = timedelta(days=28)


class DriftRule(Strict):
    """When a difference, significant at the level that the false alarms leave, is an alarm."""

    min_effect: float = Field(ge=0, description="Smallest effect that matters, in the test's unit.")
    critical_effect: float | None = Field(default=None, description="From here on it is critical.")
    persistence: int = Field(default=2, ge=1, description="Windows in a row that must show it.")
    action: Action

    @model_validator(mode="after")
    def critical_is_more(self) -> Self:
        if self.critical_effect is not None and self.critical_effect < self.min_effect:
            problem = f"{self.critical_effect} is below min_effect {self.min_effect}; raise it, or give null"
            raise Mistake(problem, "critical_effect")
        return self


class InputDrift(DriftRule):
    """Each feature, as a Jensen-Shannon distance (0 to 1) less what chance gives."""

    min_effect: float = Field(default=0.1, ge=0, le=1, description="Smallest distance that matters, 0 to 1.")
    critical_effect: float | None = 0.5
    action: Action = "tell_data_scientist"
    against: tuple[Literal["training", "previous_window"], ...] = Field(default=("training",), min_length=1)


class MultivariateDrift(DriftRule):
    """All features together: kernel mean discrepancy and reconstruction error, in standard deviations of training."""

    min_effect: float = Field(default=0.1, ge=0)
    action: Action = "retrain"


class PredictionDrift(DriftRule):
    """The answers, as a Jensen-Shannon distance (0 to 1) to those on the test rows, less what chance gives."""

    min_effect: float = Field(default=0.1, ge=0, le=1)
    action: Action = "tell_data_scientist"


class Performance(DriftRule):
    """A loss on labelled predictions, as a share above what the version promised on its test rows."""

    metric: Literal["log_loss", "error_rate", "squared_error", "absolute_error"] | None = Field(
        default=None, description="Absent: log_loss for classification, squared_error for regression."
    )
    min_effect: float = Field(default=0.05, ge=0, description="Share of the promised loss.")
    critical_effect: float | None = 0.5
    action: Action = "retrain"
    detector: Literal["adwin", "page_hinkley", "ddm", "hddm_a", "hddm_w", "e_detector"] | None = Field(
        default=None, description="Online detector on the rate of errors, beside the test by window (classification)."
    )


class EstimatedPerformance(DriftRule):
    """The same loss, estimated from the answers alone (classification)."""

    min_effect: float = Field(default=0.05, ge=0, description="Share of the promised loss.")
    action: Action = "tell_data_scientist"


class Outliers(DriftRule):
    """Rows unlike any training row, as their share less the share among training rows."""

    min_effect: float = Field(default=0.02, ge=0, le=1)
    action: Action = "tell_data_engineer"


class SchemaSkew(DriftRule):
    """Inputs that break the schema, as their share."""

    min_effect: float = Field(default=0.001, ge=0, le=1)
    persistence: int = Field(default=1, ge=1)
    action: Action = "tell_data_engineer"


class DataSkew(Strict):
    """Input drift that is there from a version's first windows on is skew between serving and training."""

    windows: int = Field(default=2, ge=1, description="How many windows are the first.")
    action: Action = "tell_data_engineer"


class Staleness(Strict):
    """Ages that are too old; absent: any age will do."""

    model: PositiveDuration | None = Field(default=None, description="Since the last training row of what serves.")
    data: PositiveDuration | None = Field(default=None, description="Since the last row of the newest data version.")
    labels: PositiveDuration | None = Field(default=None, description="Since the newest label.")
    action: Action = "tell_data_engineer"


class Traffic(DriftRule):
    """Predictions by window against the windows before: effect is the logarithm of the ratio, flood or silence."""

    min_effect: float = Field(default=1.6, ge=0, description="1.6: five times as many, or a fifth.")
    action: Action = "tell_data_engineer"


class Serving(Strict):
    """How the version answers: errors, latency, and answers that are no numbers or always the same."""

    latency: float = Field(default=0.5, gt=0, description="Objective in seconds.")
    slow_share: float = Field(default=0.01, ge=0, lt=1, description="Share of answers that may be slower.")
    error_share: float = Field(default=0.001, ge=0, lt=1, description="Share of predictions that may fail.")
    action: Action = "tell_data_engineer"


class Monitors(Strict):
    """What is watched while a version serves; each monitor is on unless it is null."""

    window: PositiveDuration = Field(default=timedelta(days=1), description="Event time a window lasts at most.")
    rows: int = Field(default=500, ge=30, description="A window ends with the pane at which it has as many rows.")
    pane: PositiveDuration | None = Field(
        default=None,
        description="Cell of the grid of event time that windows are made of; absent: window / 4.",
    )
    lateness: Duration = Field(default=timedelta(hours=1), description="A pane is complete this long after its end.")
    label_expiry: PositiveDuration | None = Field(
        default=None, description="A prediction waits this long for its label; absent: twice the label's delay."
    )
    false_alarms: FalseAlarms = FalseAlarms()
    cooldown: Duration = Field(default=timedelta(days=7), description="Least event time between two alarms of a kind.")
    retraining: Retraining = Retraining()
    season: Season | None = Field(default=None, description="Compare with training rows of the same season.")
    timezone: str = Field(default="UTC", description="IANA name; where hours and days of the season begin.")
    slices: tuple[str, ...] = Field(default=(), max_length=8, description="Categorical features watched by value.")
    input_drift: InputDrift | None = InputDrift()
    multivariate_drift: MultivariateDrift | None = MultivariateDrift()
    prediction_drift: PredictionDrift | None = PredictionDrift()
    performance: Performance | None = Performance()
    estimated_performance: EstimatedPerformance | None = EstimatedPerformance()
    outliers: Outliers | None = Outliers()
    schema_skew: SchemaSkew | None = SchemaSkew()
    data_skew: DataSkew | None = DataSkew()
    staleness: Staleness = Staleness()
    traffic: Traffic | None = Traffic()
    serving: Serving | None = Serving()

    @property
    def pane_length(self) -> timedelta:
        """Length of a pane."""
        return self.pane or self.window / PANES

    @model_validator(mode="after")
    def panes_fit(self) -> Self:
        pane = self.pane_length
        if self.window % pane:
            raise Mistake(f"window {self.window} is not a whole number of panes of {pane}", "pane")
        offsets = _offsets(self.timezone)
        if self.season is None:
            return self
        if SEASON_LENGTHS[self.season] % pane:
            raise Mistake(f"season {self.season} needs panes that divide {SEASON_LENGTHS[self.season]}", "pane")
        if any(offset % pane for offset in offsets):
            raise Mistake(f"panes of {pane} do not begin with the seasons of {self.timezone}; 15m always does", "pane")
        return self


def _offsets(timezone: str) -> set[timedelta]:
    """Local time less UTC in each month of a year."""
    zone = time_zone(timezone)
    offsets = (datetime(2024, month, 1, tzinfo=zone).utcoffset() for month in range(1, 13))
    return {offset for offset in offsets if offset is not None}
