"""The training code of the `flights` pipeline: late or not, from schedule, carrier, route and weather.

The trainer calls `build` for each candidate of the pipeline file and exports what it returns as one ONNX graph.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

Hyperparameters = Mapping[str, Any]
Floats = npt.NDArray[np.float32]

FEW_CATEGORIES = ("carrier", "origin")
SMOOTHING = 100.0
"""Flights that the overall share of late ones counts as when a category's own share is estimated."""


def build(algorithm: str, hyperparameters: Hyperparameters, features: Mapping[str, str], seed: int) -> Pipeline:
    """An unfitted estimator of frames whose columns are `features`: name to `category` (text, "" missing) or `number`.

    Raises ValueError for an unknown algorithm.
    """
    categories = [name for name, kind in features.items() if kind == "category"]
    numbers = [name for name, kind in features.items() if kind == "number"]
    if algorithm == "hist_gradient_boosting":
        model = HistGradientBoostingClassifier(early_stopping=False, random_state=seed, **hyperparameters)
        return Pipeline([("features", _for_trees(categories, numbers, seed)), ("model", model)])
    if algorithm == "torch_mlp":
        return Pipeline(
            [("features", _for_nets(categories, numbers, seed)), ("model", NeuralNet(seed, **hyperparameters))]
        )
    raise ValueError(f"algorithm {algorithm!r} is neither hist_gradient_boosting nor torch_mlp")


class NeuralNet(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A multilayer perceptron of two classes, trained with AdamW under a one-cycle learning rate.

    `module_` maps standardised features, float32 of shape [n, width], to logits, shape [n, 2]: the trainer exports it.
    """

    def __init__(
        self,
        seed: int = 0,
        hidden: int = 64,
        epochs: int = 8,
        batch: int = 1024,
        learning_rate: float = 0.01,
        weight_decay: float = 0.01,
        dropout: float = 0.1,
    ) -> None:
        self.seed = seed
        self.hidden = hidden
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout

    def fit(self, features: npt.ArrayLike, labels: Sequence[int]) -> "NeuralNet":
        """Train on `features`, shape [n, width], and `labels` 0 or 1, shape [n]; the same bits for the same seed."""
        import torch

        torch.manual_seed(self.seed)
        torch.use_deterministic_algorithms(True)
        inputs = torch.from_numpy(np.array(features, dtype=np.float32))
        targets = torch.from_numpy(np.array(labels, dtype=np.int64))
        self.classes_ = np.array([0, 1])
        self.module_ = torch.nn.Sequential(
            torch.nn.Linear(inputs.shape[1], self.hidden),
            torch.nn.ReLU(),
            torch.nn.Dropout(self.dropout),
            torch.nn.Linear(self.hidden, self.hidden),
            torch.nn.ReLU(),
            torch.nn.Linear(self.hidden, 2),
        )
        optimizer = torch.optim.AdamW(self.module_.parameters(), self.learning_rate, weight_decay=self.weight_decay)
        steps = self.epochs * -(-len(targets) // self.batch)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.learning_rate, total_steps=steps)
        for _ in range(self.epochs):
            for rows in torch.randperm(len(targets)).split(self.batch):  # type: ignore[no-untyped-call]
                loss = torch.nn.functional.cross_entropy(self.module_(inputs[rows]), targets[rows])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
        self.module_.eval()
        return self

    def predict_proba(self, features: npt.ArrayLike) -> Floats:
        """Probability of each class, shape [n, 2]."""
        import torch

        with torch.inference_mode():
            logits = self.module_(torch.from_numpy(np.array(features, dtype=np.float32)))
            probabilities: Floats = torch.softmax(logits, dim=1).numpy()
        return probabilities

    def predict(self, features: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """The more probable class, shape [n]."""
        classes: npt.NDArray[np.int64] = self.predict_proba(features).argmax(axis=1)
        return classes


def _for_trees(categories: list[str], numbers: list[str], seed: int) -> ColumnTransformer:
    return ColumnTransformer(
        [("shares", _late_shares(seed), categories), ("numbers", "passthrough", numbers)],
        verbose_feature_names_out=False,
    )


def _for_nets(categories: list[str], numbers: list[str], seed: int) -> ColumnTransformer:
    few = [name for name in categories if name in FEW_CATEGORIES]
    return ColumnTransformer(
        [
            ("shares", make_pipeline(_late_shares(seed), StandardScaler()), categories),
            ("carriers", OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32), few),
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        ]
    )


def _late_shares(seed: int) -> TargetEncoder:
    """Each category as its share of late flights, cross-fitted; an unseen one as the overall share."""
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    return TargetEncoder(target_type="binary", smooth=SMOOTHING, cv=folds)
