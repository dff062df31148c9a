"""The logistic regression as an MLServer runtime."""

import os

import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Logistic(MLModel):
    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(os.environ["PEER_MODEL"], options)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        found = zip(("label", "probabilities"), self._session.run(None, {"x": rows}), strict=True)
        outputs = [NumpyCodec.encode_output(name, values) for name, values in found]
        return InferenceResponse(model_name=self.name, id=payload.id, outputs=outputs)
