"""Rows on which a model is compared with itself: real ones, and each feature once missing or unseen."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from tidemill_trainer.domain.golden import TOLERANCE, UNSEEN
from tidemill_trainer.domain.signature import FeatureKind
from tidemill_trainer.training.onnx_model import OnnxModel

GOLDEN_ROWS = 64
PARITY_ROWS = 4096


def awkward_rows(features: pl.DataFrame, kinds: Mapping[str, FeatureKind]) -> pl.DataFrame:
    """The first rows, one feature of each missing, then one category of each unseen."""
    changes: list[tuple[str, object]] = [(name, "" if kind == "category" else np.nan) for name, kind in kinds.items()]
    changes += [(name, UNSEEN) for name, kind in kinds.items() if kind == "category"]
    rows = [
        features[index % features.height].with_columns(pl.lit(value, dtype=features.schema[name]).alias(name))
        for index, (name, value) in enumerate(changes)
    ]
    return pl.concat(rows)


def spread_rows(features: pl.DataFrame, count: int) -> pl.DataFrame:
    """At most `count` rows, evenly spread over the frame."""
    places = np.unique(np.linspace(0, features.height - 1, min(count, features.height)).astype(int))
    return features[places]


def golden_rows(features: pl.DataFrame, kinds: Mapping[str, FeatureKind]) -> pl.DataFrame:
    """At most 64 rows: half of them awkward ones, the rest as they come."""
    awkward = awkward_rows(features, kinds)[: GOLDEN_ROWS // 2]
    return pl.concat([spread_rows(features, GOLDEN_ROWS - awkward.height), awkward])


def parity_rows(features: pl.DataFrame, kinds: Mapping[str, FeatureKind]) -> pl.DataFrame:
    """The rows on which the original and its ONNX form must agree."""
    return pl.concat([spread_rows(features, PARITY_ROWS), awkward_rows(features, kinds)])


def decided_rows(features: pl.DataFrame, model: OnnxModel) -> pl.DataFrame:
    """The rows whose label stays the same when the probabilities move by the tolerance: labels are compared exactly."""
    outputs = model.run(features)
    if "probabilities" not in outputs:
        return features
    ranked = np.sort(outputs["probabilities"], axis=1)
    return features.filter(pl.Series(ranked[:, -1] - ranked[:, -2] > 4 * TOLERANCE))
