"""One candidate: fitted, exported, checked against its original, measured."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from tidemill_contracts.manifest import Signature
from tidemill_runtime.errors import InvalidInput, TidemillError

from tidemill_trainer.domain.curves import curves
from tidemill_trainer.domain.golden import TOLERANCE
from tidemill_trainer.domain.scores import measure
from tidemill_trainer.domain.signature import FeatureKind
from tidemill_trainer.training import process
from tidemill_trainer.training.code import load_build
from tidemill_trainer.training.data import Rows
from tidemill_trainer.training.export import to_onnx
from tidemill_trainer.training.onnx_model import OnnxModel


@dataclass(frozen=True)
class Task:
    """What one candidate needs; picklable, for it is trained in a process of its own."""

    name: str
    algorithm: str
    hyperparameters: Mapping[str, Any]
    training_file: Path
    kinds: Mapping[str, FeatureKind]
    signature: Signature
    seed: int
    metrics: Sequence[str]
    train: Rows
    validation: Rows
    test: Rows
    parity: pl.DataFrame


@dataclass(frozen=True)
class Trained:
    """What came of a candidate; `error` says why it is out of the race, and then it has no model."""

    name: str
    model: bytes = b""
    validation_metrics: Mapping[str, float] = field(default_factory=dict)
    test_metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Any] = field(default_factory=dict)
    parity_error: float = 0.0
    seconds: float = 0.0
    error: str = ""


def train(task: Task) -> Trained:
    """Fit, export, check and measure; an exception of the user's code is the candidate's error, not the run's."""
    began = time.perf_counter()
    try:
        estimator = load_build(task.training_file)(task.algorithm, task.hyperparameters, task.kinds, task.seed)
        estimator.fit(task.train.features, task.train.labels)
    except TidemillError as error:
        return Trained(task.name, error=str(error))
    except Exception as error:
        return Trained(task.name, error=f"training failed: {error!r}")
    seconds = time.perf_counter() - began
    try:
        content = to_onnx(estimator, task.signature)
        model = OnnxModel(content)
        parity_error = largest_difference(estimator, model, task.parity)
    except TidemillError as error:
        return Trained(task.name, seconds=seconds, error=str(error))
    if not parity_error <= TOLERANCE:
        reason = f"its ONNX form differs from the original by {parity_error:.2g}, more than {TOLERANCE:g}"
        return Trained(task.name, parity_error=parity_error, seconds=seconds, error=reason)
    tested = model.outcomes(task.test.features, task.test.labels)
    return Trained(
        name=task.name,
        model=content,
        validation_metrics=measure(task.metrics, model.outcomes(task.validation.features, task.validation.labels)),
        test_metrics=measure(task.metrics, tested),
        curves=curves(tested),
        parity_error=parity_error,
        seconds=seconds,
    )


def train_all(tasks: Sequence[Task], parallel: int, memory_bytes: int) -> list[Trained]:
    """Every candidate, in the order given, each in a process of its own; one that dies is out of the race."""
    return process.map_each(train, tasks, parallel, memory_bytes, lambda task, error: Trained(task.name, error=error))


def largest_difference(estimator: Any, model: OnnxModel, features: pl.DataFrame) -> float:
    """Largest absolute difference between the original's and the model's probabilities, or predictions; NaN counts."""
    outputs = model.run(features)
    method: Callable[[pl.DataFrame], Any]
    name, method = (
        ("probabilities", estimator.predict_proba) if "probabilities" in outputs else ("prediction", estimator.predict)
    )
    expected = np.asarray(method(features), dtype=np.float64).reshape(outputs[name].shape)
    difference = float(np.max(np.abs(outputs[name] - expected), initial=0.0))
    if np.isnan(difference):
        raise InvalidInput("the model answers NaN on rows with missing or unseen values")
    return difference
