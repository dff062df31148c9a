"""The training code, as the trainer uses it."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tidemill_contracts.loading import load_pipeline
from tidemill_contracts.pipeline import Candidate
from tidemill_flights import data
from tidemill_flights.training import build

PIPELINE = load_pipeline(Path(__file__).parents[1] / "pipeline.yaml")
KINDS = {name: "number" if field.is_numeric else "category" for name, field in PIPELINE.feature_fields.items()}


@pytest.fixture(scope="module")
def rows() -> tuple[pl.DataFrame, Any]:
    table = data.serving_features(0.02).join(data.truths(0.02), on="id")
    features = table.select(
        pl.col(name).fill_null("") if kind == "category" else pl.col(name).cast(pl.Float32).fill_null(float("nan"))
        for name, kind in KINDS.items()
    )
    return features, table["late"].to_numpy()


@pytest.mark.parametrize("candidate", PIPELINE.candidates, ids=lambda candidate: candidate.name)
def test_a_candidate_learns_and_the_same_seed_gives_the_same_model(
    candidate: Candidate, rows: tuple[pl.DataFrame, Any]
) -> None:
    features, late = rows
    fitted = [
        build(candidate.algorithm, candidate.hyperparameters, KINDS, PIPELINE.seed).fit(features[:5000], late[:5000])
        for _ in range(2)
    ]
    first, second = (one.predict_proba(features[5000:])[:, 1] for one in fitted)

    assert np.array_equal(first, second)
    assert first[late[5000:] == 1].mean() > first[late[5000:] == 0].mean()


def test_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(ValueError, match="neither"):
        build("guessing", {}, KINDS, 1)
