"""The logistic regression as a BentoML service."""

import os
from typing import Any

import bentoml
import numpy as np
import onnxruntime


@bentoml.service
class Logistic:
    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(os.environ["PEER_MODEL"], options)

    @bentoml.api
    def predict(self, x: np.ndarray) -> dict[str, Any]:
        label, probabilities = self._session.run(None, {"x": x.astype(np.float32)})
        return {"label": label.tolist(), "probabilities": probabilities.tolist()}
