"""Drives the `waves` loop through its public interfaces: producers on Kafka and HTTP, clients with tritonclient."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import numpy as np
import tritonclient.grpc.aio as triton_grpc
import tritonclient.http.aio as triton_http
from aiokafka import AIOKafkaProducer
from ledger import Ledger, Places, imbalances
from tidemill.v1.prediction_pb2 import GroundTruth
from tidemill.v1.training_pb2 import TrainingRequested
from tidemill_local.stack import Stack
from tidemill_runtime import kafka
from tidemill_runtime.events import headers_of, new_event
from world import Wave, tides, wave

MODEL = "waves"
BATCH = 20


class Driver:
    """One replay of the sea on a running stack; everything acknowledged goes into its ledger."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.ledger = Ledger(MODEL)
        self.failures: list[str] = []
        self.versions: list[int] = []
        self.number = 0
        self._bad = 0
        self._gateway_killed = False
        self._grpc = triton_grpc.InferenceServerClient(f"127.0.0.1:{stack.ports['gateway-grpc']}")
        self._rest = triton_http.InferenceServerClient(f"127.0.0.1:{stack.ports['gateway']}")
        self._producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap, acks="all", enable_idempotence=True)
        self.http = httpx.AsyncClient(timeout=20)

    async def __aenter__(self) -> "Driver":
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await kafka.close(self._producer)
        await self._grpc.close()
        await self._rest.close()
        await self.http.aclose()

    @property
    def places(self) -> Places:
        return Places(
            bootstrap=self.stack.bootstrap,
            lake=str(self.stack.home.path / "lake"),
            registry=self.stack.http_url("registry"),
            trainer=self.stack.http_url("trainer"),
        )

    async def run(self, waves: int, *, storm: bool = False, predict: bool = True) -> None:
        """The next waves: their records, a prediction of each if asked for, and their truths."""
        for _ in range(0, waves, BATCH):
            batch = [wave(number, storm=storm) for number in range(self.number, self.number + BATCH)]
            await self._push(batch)
            ids = await self.predict(batch) if predict else [""] * BATCH
            for one, prediction_id in zip(batch, ids, strict=True):
                await self._tell(one, prediction_id)
            self.number += BATCH

    async def predict(self, batch: list[Wave]) -> list[str]:
        """Ask for a batch, over gRPC and REST in turn; prediction ids, empty ones after a failure, which is noted."""
        over_rest = self.number // BATCH % 2
        library: Any = triton_http if over_rest else triton_grpc
        client: Any = self._rest if over_rest else self._grpc
        headers = {"tidemill-event-time": batch[0].at.isoformat()}
        try:
            result = await client.infer(MODEL, inputs(library, batch), headers=headers)
        except Exception as error:
            self.failures.append(f"{'REST' if over_rest else 'gRPC'} at wave {self.number}: {error!r}")
            return [""] * len(batch)
        response = result.get_response()
        identifier = (
            response["parameters"]["prediction_id"] if over_rest else response.parameters["prediction_id"].string_param
        )
        self.versions.append(int(response["model_version"] if over_rest else response.model_version))
        assert result.as_numpy("probabilities").shape == (len(batch), 2)
        ids = [f"{identifier}:{row}" for row in range(len(batch))]
        self.ledger.predictions += ids
        return ids

    async def champion(self) -> int:
        """Version the gateway serves now, 0 if none."""
        try:
            ready = await self.http.get(f"{self.stack.http_url('gateway')}/v1/routes")
        except httpx.HTTPError:
            return 0
        arms = ready.json()["models"].get(MODEL, {}).get("arms", [])
        return int(arms[0]["version"]) if arms else 0

    async def until_version_serves(self, version: int, seconds: float = 150) -> None:
        """Push history until the loop has made its first model, and wait until `version` or a later one serves."""
        if self.number == 0:
            await self.run(1200, predict=False)

        async def serves() -> bool:
            return await self.champion() >= version

        await until(serves, seconds, f"version {version} serves")

    async def ask_for_training(self) -> None:
        """What `tidemill train` does."""
        event = new_event("test", MODEL, TrainingRequested(pipeline=MODEL, requested_by="test", reason="test"))
        await self._producer.send_and_wait(
            "training-requested", key=MODEL.encode(), value=event.data.SerializeToString(), headers=headers_of(event)
        )

    async def push_bad_record(self) -> None:
        """A record that breaks the schema, over HTTP: told so, and kept."""
        self._bad += 1
        record = {**wave(self.number).record, "id": f"bad-{self._bad}", "height": -1}
        url = f"{self.stack.http_url('ingest')}/v1/sources/waves/records"
        try:
            answer = await self.http.post(url, json=record)
        except httpx.HTTPError:
            return
        assert answer.status_code == 400, answer.text
        self.ledger.refuse("waves", record["id"])

    def gateway_was_killed(self, service: str) -> bool:
        """Whether the gateway was ever killed: then some predictions may not be in the log."""
        self._gateway_killed |= service == "gateway"
        return self._gateway_killed

    async def imbalances(self, **options: bool) -> list[str]:
        return await imbalances(self.ledger, self.places, **options)

    async def balanced(self, seconds: float = 60, **options: bool) -> None:
        """Wait until the ledger balances; fails with what does not."""
        found: list[str] = ["not looked"]

        async def balances() -> bool:
            nonlocal found
            found = await self.imbalances(**options)
            return not found

        try:
            await until(balances, seconds, "the ledger balances")
        except TimeoutError:
            raise AssertionError("; ".join(found)) from None

    async def _push(self, batch: list[Wave]) -> None:
        for number, one in enumerate(batch, start=self.number):
            for tide in tides(number):
                await self._send("records.tides", tide["id"], json.dumps(tide).encode())
                self.ledger.record("tides", tide["id"])
            await self._send("records.waves", one.id, json.dumps(one.record).encode())
            self.ledger.record("waves", one.id)

    async def _tell(self, one: Wave, prediction_id: str) -> None:
        truth = GroundTruth(prediction_id=prediction_id, record_id=one.id, pipeline=MODEL, label=one.rough)
        truth.observed_at.FromDatetime(one.at)
        await self._send("ground-truth", prediction_id or one.id, truth.SerializeToString())
        self.ledger.labels.append(one.id)

    async def _send(self, topic: str, key: str, value: bytes) -> None:
        await self._producer.send_and_wait(topic, value=value, key=key.encode())


def inputs(library: Any, batch: list[Wave]) -> list[Any]:
    """A batch of waves as V2 input tensors of shape [n, 1]."""
    columns: dict[str, tuple[str, Any]] = {
        "harbour": ("BYTES", np.array([[one.record["harbour"]] for one in batch], dtype=object)),
        "height": ("FP32", np.array([[one.record["height"]] for one in batch], dtype=np.float32)),
        "wind": ("FP32", np.array([[one.record.get("wind", np.nan)] for one in batch], dtype=np.float32)),
        "tides_level": ("FP32", np.array([[one.level] for one in batch], dtype=np.float32)),
    }
    tensors = []
    for name, (datatype, values) in columns.items():
        tensor = library.InferInput(name, list(values.shape), datatype)
        tensor.set_data_from_numpy(values)
        tensors.append(tensor)
    return tensors


async def until(condition: Callable[[], Awaitable[bool]], seconds: float, what: str) -> None:
    """Wait until the condition holds; TimeoutError says what did not happen."""
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(0.2)
