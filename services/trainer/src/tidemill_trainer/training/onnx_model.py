"""An ONNX model in this process: what clients will get is what is measured here."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import polars as pl

from tidemill_trainer.domain.scores import Outcomes

Arrays = dict[str, npt.NDArray[Any]]
BATCH = 16_384


class OnnxModel:
    """Runs a model on frames of features; one thread, so that the same rows give the same bits."""

    def __init__(self, content: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self._inputs = [item.name for item in self._session.get_inputs()]
        self._outputs = [item.name for item in self._session.get_outputs()]

    def run(self, features: pl.DataFrame) -> Arrays:
        """Output name to array, rows first, of frames with at least one row."""
        parts = [self._run(features[start : start + BATCH]) for start in range(0, features.height, BATCH)]
        return {name: np.concatenate([part[name] for part in parts]) for name in self._outputs}

    def outcomes(self, features: pl.DataFrame, truths: npt.NDArray[Any]) -> Outcomes:
        """What the model says of rows whose truths are known."""
        outputs = self.run(features)
        if "prediction" in outputs:
            return Outcomes(truths, outputs["prediction"][:, 0])
        return Outcomes(truths, outputs["label"][:, 0], outputs["probabilities"])

    def _run(self, features: pl.DataFrame) -> Arrays:
        outputs = self._session.run(self._outputs, tensors(features.select(self._inputs)))
        return dict(zip(self._outputs, outputs, strict=True))


def tensors(features: pl.DataFrame) -> Arrays:
    """Feature name to its input tensor, shape [n, 1]: float32, or object (text)."""
    return {
        column.name: column.to_numpy().astype(object if column.dtype == pl.String else np.float32).reshape(-1, 1)
        for column in features
    }
