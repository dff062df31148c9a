"""Gradient boosting of trees over binned features, classification."""

from collections.abc import Mapping
from typing import Any

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline

from tidemill_trainer.algorithms.encoding import for_trees
from tidemill_trainer.domain.signature import FeatureKind


def build(hyperparameters: Mapping[str, Any], features: Mapping[str, FeatureKind], seed: int) -> Pipeline:
    """scikit-learn's HistGradientBoostingClassifier; takes its hyperparameters."""
    model = HistGradientBoostingClassifier(random_state=seed, **{"early_stopping": False, **hyperparameters})
    return Pipeline([("features", for_trees(features)), ("model", model)])
