"""How good the predictions were: by week and by month, the loop's against the frozen first model's."""

import json

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import polars as pl
from sklearn.metrics import log_loss, roc_auc_score
from tidemill_flights import data
from tidemill_runtime.artifacts import ArtifactStore

LEAST_ROWS = 50
NEW_YORK = "America/New_York"


async def frozen_probabilities(
    artifacts_url: str, manifest_digest: str, features: pl.DataFrame
) -> npt.NDArray[np.float32]:
    """What the model of a manifest says of [n] flights: probabilities of being late."""
    store = ArtifactStore(artifacts_url)
    manifest = json.loads(await store.get(manifest_digest))
    session = ort.InferenceSession(await store.get(manifest["files"]["model.onnx"]))
    inputs = {}
    for name in data.FEATURES:
        column = features[name]
        if column.dtype == pl.String:
            inputs[name] = np.array([[value or ""] for value in column], dtype=object)
        else:
            inputs[name] = column.cast(pl.Float32).fill_null(float("nan")).to_numpy().reshape(-1, 1)
    probabilities: npt.NDArray[np.float32] = session.run(["probabilities"], inputs)[0]
    return probabilities[:, 1]


def by_period(predictions: pl.DataFrame, period: str) -> pl.DataFrame:
    """AUC and log loss per `period` (as polars writes it: 1w, 1mo) of columns scheduled_departure, late, loop, frozen.

    Columns: period (its start, New York's time), flights, loop_auc, frozen_auc, loop_log_loss, frozen_log_loss.
    """
    rows = []
    local = pl.col("scheduled_departure").dt.convert_time_zone(NEW_YORK).dt.replace_time_zone(None)
    groups = predictions.with_columns(period=local.dt.truncate(period)).sort("period")
    for (start,), group in groups.group_by(["period"], maintain_order=True):
        labels = group["late"].to_numpy()
        if group.height < LEAST_ROWS or labels.min() == labels.max():
            continue
        row: dict[str, object] = {"period": start, "flights": group.height}
        for name in ("loop", "frozen"):
            scores = group[name].to_numpy()
            row[f"{name}_auc"] = float(roc_auc_score(labels, scores))
            row[f"{name}_log_loss"] = float(log_loss(labels, np.clip(scores.astype(float), 1e-7, 1 - 1e-7)))
        rows.append(row)
    return pl.DataFrame(rows)
