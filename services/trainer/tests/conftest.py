"""A small pipeline and its data set in a lake of the test's own."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from deltalake import write_deltalake
from tidemill.v1.training_pb2 import TRAINING_CAUSE_HAND
from tidemill_trainer.training.spec import RunSpec

ROWS = 1_200

PIPELINE = """\
apiVersion: tidemill/v1
name: toy
model: toy
task: classification
sources:
  things:
    event_time: happened_at
    fields:
      happened_at: {type: timestamp}
      size: {type: float}
      weight: {type: float, required: false}
      colour: {type: category}
primary: things
label: {name: good, delay: 1d, classes: 2}
features: [size, weight, colour]
split: {validation: 0.2, test: 0.2}
seed: 7
training_code: training.py
candidates:
  - {name: trees, algorithm: hist_gradient_boosting, hyperparameters: {max_iter: 20}}
  - {name: line, algorithm: logistic_regression}
metrics: [auc, log_loss, accuracy, precision, recall, f1]
primary_metric: auc
"""


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    """A run over a data set whose label depends on size and colour."""
    folder = tmp_path / "pipelines" / "toy"
    folder.mkdir(parents=True)
    (folder / "pipeline.yaml").write_text(PIPELINE)
    (folder / "training.py").write_text("")
    write_deltalake(str(tmp_path / "lake" / "datasets" / "toy"), things().to_arrow())
    return RunSpec(
        run_id="11111111-1111-5111-8111-111111111111",
        pipeline_file=folder / "pipeline.yaml",
        directory=tmp_path / "run",
        lake_url=f"file://{tmp_path}/lake",
        table="datasets/toy",
        table_version=0,
        data_version=1,
        data_digest="d" * 64,
        cause=TRAINING_CAUSE_HAND,
        cause_event_id="event",
        parallel=2,
    )


def things(rows: int = ROWS) -> pl.DataFrame:
    """Rows of the toy data set, a minute apart, in no order."""
    random = np.random.default_rng(1)
    size = random.normal(size=rows).astype(np.float32)
    colour = random.choice(["red", "green", "blue"], rows)
    good = (size + (colour == "red") + random.normal(size=rows) > 0.5).astype(np.int64)
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    weight = [None if index % 7 == 0 else float(index % 5) for index in range(rows)]
    table = pl.DataFrame(
        {
            "record_id": [f"thing-{index}" for index in range(rows)],
            "event_time": [begin + timedelta(minutes=index) for index in range(rows)],
            "size": size.astype(np.float64),
            "weight": weight,
            "colour": [None if index % 11 == 0 else str(value) for index, value in enumerate(colour)],
            "good": good,
            "version": 1,
        }
    )
    return table.sample(fraction=1.0, shuffle=True, seed=3)
