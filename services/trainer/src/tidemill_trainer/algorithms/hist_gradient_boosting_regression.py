"""Gradient boosting of trees over binned features, regression."""

from collections.abc import Mapping
from typing import Any

from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline

from tidemill_trainer.algorithms.encoding import for_trees
from tidemill_trainer.domain.signature import FeatureKind


def build(hyperparameters: Mapping[str, Any], features: Mapping[str, FeatureKind], seed: int) -> Pipeline:
    """scikit-learn's HistGradientBoostingRegressor; takes its hyperparameters."""
    model = HistGradientBoostingRegressor(random_state=seed, **{"early_stopping": False, **hyperparameters})
    return Pipeline([("features", for_trees(features)), ("model", model)])
