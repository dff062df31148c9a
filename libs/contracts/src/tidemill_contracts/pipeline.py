"""The pipeline file: one declarative, versioned YAML file that says everything about one model's loop.

`load_pipeline` reads it and refuses a mistake with its line, its field and the cure. The JSON Schema for editors is
published at `docs/pipeline.schema.json`.
"""

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from tidemill_contracts.monitors import Monitors
from tidemill_contracts.release import Release
from tidemill_contracts.serving import ServingOptions
from tidemill_contracts.values import Duration, FieldName, Mistake, Name, Strict

RESERVED = ("record_id", "event_time", "version")
LOSSES = {"classification": ("log_loss", "error_rate"), "regression": ("squared_error", "absolute_error")}


class RecordField(Strict):
    """Type and limits of one field of a source's records."""

    type: Literal["float", "int", "category", "bool", "timestamp"]
    required: bool = True
    min: float | None = Field(default=None, description="Smallest value allowed.")
    max: float | None = Field(default=None, description="Largest value allowed.")
    categories: tuple[str, ...] | None = Field(default=None, description="The only values allowed; absent: any text.")

    @model_validator(mode="after")
    def limits_fit_the_type(self) -> Self:
        if self.categories is not None and self.type != "category":
            raise ValueError(f"categories are for type category, not {self.type}; remove them or change the type")
        if (self.min is not None or self.max is not None) and self.type not in ("float", "int"):
            raise ValueError(f"min and max are for type float or int, not {self.type}; remove them or change the type")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}; swap them")
        return self

    @property
    def is_numeric(self) -> bool:
        return self.type in ("float", "int", "bool")


class Source(Strict):
    """A stream of records."""

    key: FieldName = Field(default="id", description="Field that identifies a record; repeats are dropped.")
    event_time: FieldName = Field(description="Field that says when the record happened.")
    fields: dict[FieldName, RecordField] = Field(min_length=1)

    @model_validator(mode="after")
    def event_time_is_a_required_timestamp(self) -> Self:
        field = self.fields.get(self.event_time)
        if field is None or field.type != "timestamp" or not field.required:
            raise Mistake(f"{self.event_time!r} must be a required field of type timestamp", "event_time")
        if self.key in self.fields:
            raise Mistake(f"key {self.key!r} is a text by itself; remove it from the fields", "fields", self.key)
        return self


class Join(Strict):
    """Adds the newest observation of another source not later than the record's event time (point in time)."""

    source: Name
    on: tuple[FieldName, ...] = Field(min_length=1, description="Fields equal in both sources.")
    tolerance: Duration = Field(description="An older observation counts as missing.")


class Label(Strict):
    """What is predicted; it comes on `ground-truth`, by record id."""

    name: FieldName
    delay: Duration = Field(description="How long after the event time most labels have come.")
    classes: int | None = Field(default=None, ge=2, description="Number of classes; absent for regression.")


class Dataset(Strict):
    """When a new data set version is announced."""

    announce_every_rows: int = Field(default=10_000, ge=1)
    announce_every: Duration = Field(default=timedelta(days=7), description="Event time since the last version.")


class Split(Strict):
    """Sequential split by event time: train, then validation, then test."""

    validation: float = Field(default=0.1, gt=0, lt=0.5)
    test: float = Field(default=0.1, gt=0, lt=0.5)
    window: Duration | None = Field(default=None, description="Train on this much of the newest data; absent: on all.")


class Candidate(Strict):
    """One way to make the model."""

    name: Name
    algorithm: Name
    hyperparameters: dict[str, bool | int | float | str | None] = Field(default_factory=dict)


class Threshold(Strict):
    """A metric's limit on the test rows."""

    metric: FieldName
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def one_limit(self) -> Self:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give exactly one of at_least and at_most")
        return self


class BetterThanServing(Strict):
    """The candidate must beat the serving version on the same test rows."""

    metric: FieldName
    by: float = Field(default=0.0, description="Smallest improvement, in the metric's unit; negative: may be worse.")


class Policy(Strict):
    """Who may serve."""

    thresholds: tuple[Threshold, ...] = ()
    better_than_serving: BetterThanServing | None = None
    approval: Literal["automatic", "human"] = "automatic"


class Triggers(Strict):
    """What starts a training."""

    data_arrived: Literal["first", "every", "never"] = "first"
    first_span: Duration = Field(default=timedelta(0), description="Event time the first training's data must span.")
    drift: bool = True


class Pipeline(Strict):
    """One model's loop, from records to retraining."""

    api_version: Literal["tidemill/v1"] = Field(alias="apiVersion")
    name: Name
    model: Name = Field(description="Name that clients call.")
    task: Literal["classification", "regression"]
    sources: dict[Name, Source] = Field(min_length=1)
    primary: Name = Field(description="Source whose records are predicted.")
    joins: tuple[Join, ...] = ()
    label: Label
    features: tuple[str, ...] = Field(min_length=1, description="Fields of the primary source, or `source.field`.")
    dataset: Dataset = Dataset()
    split: Split = Split()
    seed: int = Field(ge=0, lt=2**31)
    training_code: str = Field(description="Python file, relative to this one, that builds the estimators.")
    candidates: tuple[Candidate, ...] = Field(min_length=1)
    metrics: tuple[FieldName, ...] = Field(min_length=1)
    primary_metric: FieldName
    policy: Policy = Policy()
    release: Release = Release()
    serving: ServingOptions = ServingOptions()
    monitors: Monitors = Monitors()
    triggers: Triggers = Triggers()

    @model_validator(mode="after")
    def names_refer_to_something(self) -> Self:
        _check_sources(self)
        _check_features(self)
        if (self.label.classes is None) != (self.task == "regression"):
            raise Mistake("classes belong to task classification, and only to it", "label", "classes")
        _unique([candidate.name for candidate in self.candidates], "candidates")
        _unique([feature_name(feature) for feature in self.features], "features")
        _check_metrics(self)
        _check_monitors(self)
        _check_release(self)
        _check_serving(self)
        return self

    def feature_field(self, feature: str) -> RecordField:
        """The record field behind a feature; ValueError says which is missing."""
        source, dot, field = feature.rpartition(".")
        source = source if dot else self.primary
        if source != self.primary and source not in {join.source for join in self.joins}:
            raise ValueError(f"feature {feature!r} needs source {source!r}, which is not joined; add it to joins")
        try:
            found = self.sources[source].fields[field]
        except KeyError:
            raise ValueError(f"feature {feature!r} is not a field of source {source!r}") from None
        if found.type == "timestamp":
            raise ValueError(f"feature {feature!r} is a timestamp; use numbers or categories")
        return found

    @property
    def feature_fields(self) -> dict[str, RecordField]:
        """Feature name in tables, tensors and profiles (`weather.temp` is `weather_temp`) to its field, in order."""
        return {feature_name(feature): self.feature_field(feature) for feature in self.features}

    @property
    def digest(self) -> str:
        """SHA-256, hex, of the meaning of the file: comments and layout do not count."""
        canonical = json.dumps(self.model_dump(mode="json", by_alias=True), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


class PipelineFile(Pipeline):
    """A pipeline and the place it was read from."""

    path: Path = Field(exclude=True)

    @property
    def training_file(self) -> Path:
        """The training code's path."""
        return self.path.parent / self.training_code


def feature_name(feature: str) -> str:
    """Name of a feature in tables, tensors and profiles."""
    return feature.replace(".", "_")


def json_schema() -> dict[str, Any]:
    """JSON Schema of the pipeline file, for editors."""
    return Pipeline.model_json_schema(by_alias=True)


def _check_sources(pipeline: Pipeline) -> None:
    known = ", ".join(sorted(pipeline.sources))
    if pipeline.primary not in pipeline.sources:
        raise Mistake(f"{pipeline.primary!r} is not one of the sources: {known}", "primary")
    for index, join in enumerate(pipeline.joins):
        if join.source not in pipeline.sources:
            raise Mistake(f"{join.source!r} is not one of the sources: {known}", "joins", index, "source")
        for field in join.on:
            for source in (pipeline.primary, join.source):
                if field not in pipeline.sources[source].fields:
                    raise Mistake(f"{field!r} is not a field of source {source!r}", "joins", index, "on")


def _check_features(pipeline: Pipeline) -> None:
    for index, feature in enumerate(pipeline.features):
        try:
            pipeline.feature_field(feature)
        except ValueError as error:
            raise Mistake(str(error), "features", index) from error
        if feature_name(feature) in (*RESERVED, pipeline.label.name):
            raise Mistake(f"{feature!r} is the name of another column of the data set", "features", index)


def _check_metrics(pipeline: Pipeline) -> None:
    used: dict[tuple[str | int, ...], str] = {("primary_metric",): pipeline.primary_metric}
    for index, threshold in enumerate(pipeline.policy.thresholds):
        used["policy", "thresholds", index, "metric"] = threshold.metric
    if comparison := pipeline.policy.better_than_serving:
        used["policy", "better_than_serving", "metric"] = comparison.metric
    for location, metric in used.items():
        if metric not in pipeline.metrics:
            raise Mistake(f"metric {metric!r} is used but not measured; add it to metrics", *location)


def _check_monitors(pipeline: Pipeline) -> None:
    for index, feature in enumerate(pipeline.monitors.slices):
        if feature not in pipeline.features:
            raise Mistake(f"{feature!r} is not one of the features", "monitors", "slices", index)
        if pipeline.feature_field(feature).type != "category":
            raise Mistake(f"{feature!r} is no category; slices are values of categories", "monitors", "slices", index)
    performance = pipeline.monitors.performance
    losses = LOSSES[pipeline.task]
    if performance is not None and performance.metric not in (None, *losses):
        message = f"{performance.metric!r} is no loss of {pipeline.task}; take {' or '.join(losses)}"
        raise Mistake(message, "monitors", "performance", "metric")


def _check_release(pipeline: Pipeline) -> None:
    release = pipeline.release
    if release.sticky_field and release.sticky_field not in pipeline.features:
        raise Mistake(f"{release.sticky_field!r} is not one of the features", "release", "sticky_field")
    strange = set(LOSSES["classification" if pipeline.task == "regression" else "regression"])
    for part, metrics in (("metrics", release.metrics), ("guardrails", release.guardrails)):
        for index, one in enumerate(metrics):
            if one.metric in strange:
                known = " or ".join(LOSSES[pipeline.task])
                raise Mistake(f"{one.metric!r} is no loss of {pipeline.task}; take {known}", "release", part, index)
    if release.strategy != "direct" and not release.metrics and pipeline.task == "regression":
        raise Mistake("say which loss decides, with a delta in your unit", "release", "metrics")


def _check_serving(pipeline: Pipeline) -> None:
    log = pipeline.serving.log
    for part, features in (("hash", log.hash), ("drop", log.drop)):
        for index, feature in enumerate(features):
            if feature not in pipeline.features:
                raise Mistake(f"{feature!r} is not one of the features", "serving", "log", part, index)
    for index, feature in enumerate(log.drop):
        if feature in log.hash:
            raise Mistake(f"{feature!r} is hashed too; remove it from one of both", "serving", "log", "drop", index)
    for index, feature in enumerate(pipeline.monitors.slices):
        if feature in (*log.hash, *log.drop):
            cause = f"{feature!r} is not logged as it is, so the monitor cannot slice by it; see serving.log"
            raise Mistake(cause, "monitors", "slices", index)
    if not set(pipeline.features) - {*log.hash, *log.drop}:
        raise Mistake("no feature would be logged as it is; the monitor needs one", "serving", "log")


def _unique(names: list[str], where: str) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise Mistake(f"{name!r} is given more than once; remove or rename one", where, index)
