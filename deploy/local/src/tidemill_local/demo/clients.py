"""What stands outside the loop: producers on Kafka, and a client application with tritonclient, over gRPC and REST."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl
import tritonclient.grpc.aio as triton_grpc
import tritonclient.http.aio as triton_http
from aiokafka import AIOKafkaProducer
from tidemill.v1.prediction_pb2 import GroundTruth
from tidemill_contracts import topics
from tidemill_flights import data
from tritonclient.utils import InferenceServerException

MODEL = "flights"
TIMEOUT_SECONDS = 10.0
REST_EVERY = 4


@dataclass(frozen=True)
class Answer:
    """Predictions of one request's rows."""

    prediction_ids: list[str]
    late: npt.NDArray[np.float32]
    version: int


@dataclass
class ClientStatistics:
    """What the client saw."""

    requests: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"gRPC": [], "REST": []})


class Application:
    """A client application; it asks for a prediction of every flight at its scheduled departure."""

    def __init__(self, grpc_address: str, http_address: str) -> None:
        self._grpc = triton_grpc.InferenceServerClient(grpc_address)
        self._http = triton_http.InferenceServerClient(http_address, conn_limit=8, conn_timeout=TIMEOUT_SECONDS)
        self.statistics = ClientStatistics()

    async def close(self) -> None:
        await self._grpc.close()
        await self._http.close()

    async def predict(self, features: pl.DataFrame, event_time: datetime) -> Answer | None:
        """Probabilities of being late for [n] flights; None, and a failure noted, if the gateway gives an error."""
        self.statistics.requests += 1
        over_rest = self.statistics.requests % REST_EVERY == 0
        began = time.perf_counter()
        try:
            result = await (self._over_rest if over_rest else self._over_grpc)(features, event_time)
        except InferenceServerException as error:
            self.statistics.failures.append(f"{event_time:%Y-%m-%d %H:%M}: {error}")
            return None
        self.statistics.seconds["REST" if over_rest else "gRPC"].append(time.perf_counter() - began)
        return result

    async def _over_grpc(self, features: pl.DataFrame, event_time: datetime) -> Answer:
        headers = {"tidemill-event-time": event_time.isoformat()}
        inputs = _inputs(triton_grpc, features)
        result = await self._grpc.infer(MODEL, inputs, headers=headers, client_timeout=TIMEOUT_SECONDS)
        response = result.get_response()
        identifier = response.parameters["prediction_id"].string_param
        return _answer(identifier, result.as_numpy("probabilities"), response.model_version)

    async def _over_rest(self, features: pl.DataFrame, event_time: datetime) -> Answer:
        headers = {"tidemill-event-time": event_time.isoformat()}
        result = await self._http.infer(MODEL, _inputs(triton_http, features), headers=headers)
        response = result.get_response()
        identifier = response["parameters"]["prediction_id"]
        return _answer(identifier, result.as_numpy("probabilities"), response["model_version"])


class Producers:
    """The airlines and the weather stations: they push records, and truths when flights have landed."""

    def __init__(self, bootstrap: str) -> None:
        self._kafka = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", linger_ms=20)

    async def start(self) -> None:
        await self._kafka.start()

    async def stop(self) -> None:
        await self._kafka.stop()

    async def flush(self) -> None:
        """Wait until the brokers have acknowledged everything."""
        await self._kafka.flush()

    async def records(self, source: str, records: Sequence[dict[str, Any]]) -> None:
        """Push records; they are acknowledged by the next `flush`."""
        for record in records:
            await self._kafka.send(topics.records(source), value=orjson.dumps(record), key=record["id"].encode())

    async def truth(self, flight: str, late: int, known_at: datetime, prediction_id: str) -> None:
        """Tell what came of a flight; `prediction_id` is empty if nobody asked."""
        message = GroundTruth(prediction_id=prediction_id, record_id=flight, pipeline=MODEL, label=late)
        message.observed_at.FromDatetime(known_at)
        key = (prediction_id or flight).encode()
        await self._kafka.send(topics.GROUND_TRUTH, value=message.SerializeToString(), key=key)


def _inputs(library: Any, features: pl.DataFrame) -> list[Any]:
    inputs = []
    for name in data.FEATURES:
        column = features[name]
        if column.dtype == pl.String:
            values = np.array([[value or ""] for value in column], dtype=object)
            tensor = library.InferInput(name, list(values.shape), "BYTES")
        else:
            values = column.cast(pl.Float32).fill_null(float("nan")).to_numpy().reshape(-1, 1)
            tensor = library.InferInput(name, list(values.shape), "FP32")
        tensor.set_data_from_numpy(values)
        inputs.append(tensor)
    return inputs


def _answer(identifier: str, probabilities: npt.NDArray[np.float32], version: str) -> Answer:
    rows = len(probabilities)
    identifiers = [identifier] if rows == 1 else [f"{identifier}:{row}" for row in range(rows)]
    return Answer(identifiers, probabilities[:, 1], int(version))
