"""The logistic regression behind KServe's model server."""

import os
from typing import Any

import kserve
import onnxruntime
import uvicorn
from grpc.aio import _server
from kserve import InferOutput, InferRequest, InferResponse


class Logistic(kserve.Model):
    def __init__(self) -> None:
        super().__init__("logistic")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(os.environ["PEER_MODEL"], options)
        self.ready = True

    async def predict(self, payload: InferRequest, headers: Any = None, response_headers: Any = None) -> InferResponse:
        outputs = []
        rows = payload.inputs[0].as_numpy()
        for name, datatype, values in zip(
            ("label", "probabilities"), ("INT64", "FP32"), self._session.run(None, {"x": rows}), strict=True
        ):
            output = InferOutput(name=name, shape=list(values.shape), datatype=datatype)
            output.set_data_from_numpy(values, binary_data=payload.from_grpc)
            outputs.append(output)
        return InferResponse(response_id=payload.id or "", model_name=self.name, infer_outputs=outputs)


def stay_on_loopback() -> None:
    """KServe listens on every address and has no setting for it."""
    configured, bound = uvicorn.Config.__init__, _server.Server.add_insecure_port

    def configure(self: uvicorn.Config, *args: Any, **given: Any) -> None:
        configured(self, *args, **{**given, "host": "127.0.0.1"})

    def bind(self: _server.Server, address: str) -> int:
        return bound(self, address.replace("[::]", "127.0.0.1"))

    uvicorn.Config.__init__ = configure
    _server.Server.add_insecure_port = bind


if __name__ == "__main__":
    stay_on_loopback()
    ports = {"http_port": int(os.environ["PEER_HTTP_PORT"]), "grpc_port": int(os.environ["PEER_GRPC_PORT"])}
    kserve.ModelServer(**ports).start([Logistic()])
