"""The rows of a data version, as models take them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from tidemill_contracts.pipeline import Pipeline
from tidemill_runtime.errors import InvalidInput, Unavailable

from tidemill_trainer.domain.signature import FeatureKind

EVENT_TIME = "event_time"
RECORD_ID = "record_id"


@dataclass(frozen=True)
class Rows:
    """Rows by event time: features as models take them, labels of shape [n], times (datetime64[us], UTC)."""

    features: pl.DataFrame
    labels: npt.NDArray[Any]
    times: npt.NDArray[np.datetime64]

    def part(self, rows: range) -> "Rows":
        """The rows of a range."""
        cut = slice(rows.start, rows.stop)
        return Rows(self.features[cut], self.labels[cut], self.times[cut])


def read_rows(
    lake_url: str, table: str, table_version: int, pipeline: Pipeline, kinds: Mapping[str, FeatureKind]
) -> Rows:
    """The rows of `table` at `table_version`, by event time, then record id.

    Raises InvalidInput if the version or a column is not there, Unavailable if the lake does not answer.
    """
    columns = [RECORD_ID, EVENT_TIME, *kinds, pipeline.label.name]
    try:
        delta = DeltaTable(f"{lake_url.rstrip('/')}/{table}", version=table_version)
        frame = pl.DataFrame(delta.to_pyarrow_table(columns=columns))
    except DeltaError as error:
        raise InvalidInput(f"data set {table} has no version {table_version} that can be read: {error}") from error
    except OSError as error:
        raise Unavailable(f"the lake does not answer: {error}") from error
    return to_rows(frame, pipeline, kinds)


def to_rows(frame: pl.DataFrame, pipeline: Pipeline, kinds: Mapping[str, FeatureKind]) -> Rows:
    """Rows of a data set's frame: categories as text ("" missing), numbers as float32 (NaN missing)."""
    ordered = frame.sort(EVENT_TIME, RECORD_ID)
    label = pl.Int64 if pipeline.task == "classification" else pl.Float64
    return Rows(
        features=model_inputs(ordered, kinds),
        labels=ordered[pipeline.label.name].cast(label).to_numpy(),
        times=ordered[EVENT_TIME].dt.replace_time_zone(None).cast(pl.Datetime("us")).to_numpy(),
    )


def model_inputs(frame: pl.DataFrame, kinds: Mapping[str, FeatureKind]) -> pl.DataFrame:
    """The feature columns in the order and the types of the model's inputs."""
    return frame.select(
        pl.col(name).cast(pl.String).fill_null("")
        if kind == "category"
        else pl.col(name).cast(pl.Float32).fill_null(float("nan"))
        for name, kind in kinds.items()
    )
