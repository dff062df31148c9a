"""The logistic regression as a LitServe API."""

import os
from typing import Any

import litserve
import numpy as np
import onnxruntime


class Logistic(litserve.LitAPI):
    def setup(self, device: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(os.environ["PEER_MODEL"], options)

    def decode_request(self, request: dict[str, Any]) -> np.ndarray:
        return np.asarray(request["x"], dtype=np.float32)

    def predict(self, rows: np.ndarray) -> list[np.ndarray]:
        return self._session.run(None, {"x": rows})

    def encode_response(self, output: list[np.ndarray]) -> dict[str, Any]:
        return {"label": output[0].tolist(), "probabilities": output[1].tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Logistic(), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(os.environ["PEER_HTTP_PORT"]), generate_client_file=False)
