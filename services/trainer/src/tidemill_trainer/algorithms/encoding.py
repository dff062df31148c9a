"""Encodings of mixed features that the algorithms here share; missing and unseen values are values of their own."""

from collections.abc import Mapping

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from tidemill_trainer.domain.signature import FeatureKind


def for_trees(features: Mapping[str, FeatureKind]) -> ColumnTransformer:
    """Categories as numbers in alphabetical order, unseen ones -1; numbers as they are."""
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32)
    return ColumnTransformer(
        [("categories", ordinal, _named(features, "category")), ("numbers", "passthrough", _named(features, "number"))]
    )


def for_linear_models(features: Mapping[str, FeatureKind]) -> ColumnTransformer:
    """Categories as indicators; numbers standardised, a missing one as the median."""
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    return ColumnTransformer(
        [("categories", one_hot, _named(features, "category")), ("numbers", numbers, _named(features, "number"))]
    )


def _named(features: Mapping[str, FeatureKind], kind: FeatureKind) -> list[str]:
    return [name for name, found in features.items() if found == kind]
