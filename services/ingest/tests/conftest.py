"""Fixtures of ingest's tests."""

import pytest
from ingest_examples import rides_pipeline
from tidemill_contracts.pipeline import PipelineFile


@pytest.fixture
def pipeline() -> PipelineFile:
    return rides_pipeline()
