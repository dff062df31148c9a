"""Logistic regression: the baseline that a candidate should beat."""

from collections.abc import Mapping
from typing import Any

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from tidemill_trainer.algorithms.encoding import for_linear_models
from tidemill_trainer.domain.signature import FeatureKind


def build(hyperparameters: Mapping[str, Any], features: Mapping[str, FeatureKind], seed: int) -> Pipeline:
    """scikit-learn's LogisticRegression; takes its hyperparameters."""
    model = LogisticRegression(random_state=seed, **{"max_iter": 500, **hyperparameters})
    return Pipeline([("features", for_linear_models(features)), ("model", model)])
