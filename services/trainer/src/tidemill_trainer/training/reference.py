"""What live traffic will be compared with."""

import numpy as np
from tidemill.v1.reference_pb2 import Reference
from tidemill_contracts.durations import microseconds
from tidemill_contracts.pipeline import Pipeline, feature_name
from tidemill_runtime.errors import InvalidInput
from tidemill_stats.learning import Rows as StatsRows
from tidemill_stats.learning import Windows, learn
from tidemill_stats.reference import reference_to_proto

from tidemill_trainer.domain.split import Parts
from tidemill_trainer.training.data import Rows
from tidemill_trainer.training.onnx_model import OnnxModel

MAX_BYTES = 6 << 20


def make_reference(pipeline: Pipeline, rows: Rows, parts: Parts, model: OnnxModel) -> Reference:
    """The reference of `model`: its training rows, and how it answered the validation and test rows.

    Raises InvalidInput when it does not fit into an event.
    """
    unseen = [_answered(rows.part(part), pipeline, model) for part in (parts.validation, parts.test) if len(part)]
    reference = reference_to_proto(
        learn(
            _answered(rows.part(parts.train), pipeline, model),
            _together(unseen),
            _windows(pipeline),
            seed=pipeline.seed,
        )
    )
    if reference.ByteSize() > MAX_BYTES:
        raise InvalidInput(
            f"what is kept of the training data takes {reference.ByteSize()} bytes, more than {MAX_BYTES}; "
            "declare fewer monitors.slices, or no monitors.season"
        )
    return reference


def _windows(pipeline: Pipeline) -> Windows:
    monitors = pipeline.monitors
    return Windows(
        pane=microseconds(monitors.pane_length),
        length=microseconds(monitors.window),
        rows=monitors.rows,
        season=monitors.season,
        timezone=monitors.timezone,
        slices=tuple(feature_name(feature) for feature in monitors.slices),
    )


def _answered(rows: Rows, pipeline: Pipeline, model: OnnxModel) -> StatsRows:
    hidden = {feature_name(feature) for feature in (*pipeline.serving.log.hash, *pipeline.serving.log.drop)}
    outputs = model.run(rows.features)
    names = ("label", "probabilities") if "label" in outputs else ("prediction",)
    return StatsRows(
        columns={column.name: column.to_numpy() for column in rows.features if column.name not in hidden},
        times=rows.times.astype("datetime64[us]").astype(np.int64),
        outputs=np.hstack([outputs[name].astype(np.float64) for name in names]),
        labels=rows.labels.astype(np.float64),
        classes=pipeline.label.classes,
    )


def _together(parts: list[StatsRows]) -> StatsRows:
    return StatsRows(
        columns={name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns},
        times=np.concatenate([part.times for part in parts]),
        outputs=np.concatenate([part.outputs for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        classes=parts[0].classes,
    )
