"""Models to be released on a running stack: what they answer, who asks them, and the truths that come late."""

import asyncio
import hashlib
import itertools
import json
import math
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import numpy as np
from bus_log import BusLog
from gateway_load import OK, eventually
from onnx import TensorProto, helper
from onnx_models import Model, Values, idle_round, store
from tidemill.v1.model_pb2 import RolloutChanged
from tidemill.v1.prediction_pb2 import GroundTruth
from tidemill.v1.training_pb2 import ModelTrained
from tidemill_contracts import topics
from tidemill_local.stack import Stack
from tidemill_runtime.artifacts import ArtifactStore

USER = "x-user"
SLOPE = 2.0
OBJECTIVE = 0.15
GOLDEN = np.array([[-1.0], [-0.25], [-0.5]], np.float32)
MONITORS = {
    "window": "8s",
    "pane": "2s",
    "rows": 100_000,
    "lateness": "1s",
    "label_expiry": "2m",
    "serving": {"latency": OBJECTIVE},
    "input_drift": None,
    "multivariate_drift": None,
    "prediction_drift": None,
    "performance": None,
    "estimated_performance": None,
    "outliers": None,
    "schema_skew": None,
    "data_skew": None,
    "traffic": None,
}


def sigmoid(x: float) -> float:
    """Probability that the truth of `x` is 1."""
    return 1 / (1 + math.exp(-SLOPE * x))


def scorer(slope: float = SLOPE, *, rounds: int = 0, breaks: bool = False) -> Model:
    """Answers with sigmoid(slope * x). `rounds` of nothing make it slow for x >= 0; `breaks`: it fails for x >= 0."""
    shape = helper.make_tensor("slope", TensorProto.FLOAT, [1], [slope])
    one, half = (
        helper.make_tensor(name, TensorProto.FLOAT, [1], [value]) for name, value in (("one", 1), ("half", 0.5))
    )
    constants = [shape, one, half]
    nodes, source = [], "x"
    if breaks:
        constants.append(helper.make_tensor("table", TensorProto.FLOAT, [1], [0.0]))
        constants.append(helper.make_tensor("nothing", TensorProto.FLOAT, [1], [0.0]))
        nodes += [
            helper.make_node("GreaterOrEqual", ["x", "nothing"], ["bad"]),
            helper.make_node("Cast", ["bad"], ["place"], to=TensorProto.INT64),
            helper.make_node("Gather", ["table", "place"], ["zero"]),
            helper.make_node("Add", ["x", "zero"], ["checked"]),
        ]
        source = "checked"
    if rounds:
        constants.append(helper.make_tensor("many", TensorProto.INT64, [1], [rounds]))
        constants.append(helper.make_tensor("nothing", TensorProto.FLOAT, [1], [0.0]))
        nodes += [
            helper.make_node("GreaterOrEqual", ["x", "nothing"], ["late"]),
            helper.make_node("Cast", ["late"], ["times"], to=TensorProto.INT64),
            helper.make_node("Mul", ["times", "many"], ["wanted"]),
            helper.make_node("ReduceMax", ["wanted"], ["most"], keepdims=0),
            helper.make_node("Loop", ["most", "", "x"], ["waited"], body=idle_round(TensorProto.FLOAT)),
        ]
        source = "waited"
    nodes += [
        helper.make_node("Mul", [source, "slope"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["yes"]),
        helper.make_node("Sub", ["one", "yes"], ["no"]),
        helper.make_node("Concat", ["no", "yes"], ["probabilities"], axis=1),
        helper.make_node("Greater", ["yes", "half"], ["is_yes"]),
        helper.make_node("Cast", ["is_yes"], ["label"], to=TensorProto.INT64),
    ]
    yes = 1 / (1 + np.exp(-slope * GOLDEN))
    outputs = [
        Values("label", "INT64", (yes > 0.5).astype(np.int64)),
        Values("probabilities", "FP32", np.hstack([1 - yes, yes]).astype(np.float32)),
    ]
    return Model(nodes, [Values("x", "FP32", GOLDEN)], outputs, constants)


def write_pipeline(folder: Path, model: str, release: Mapping[str, Any]) -> None:
    """The pipeline file of `model`, let in as `release` says; its labels come within seconds."""
    folder.mkdir(parents=True)
    (folder / "training.py").write_text("")
    fields = {"at": {"type": "timestamp"}, "x": {"type": "float"}}
    pipeline = {
        "apiVersion": "tidemill/v1",
        "name": model,
        "model": model,
        "task": "classification",
        "sources": {"gauge": {"event_time": "at", "fields": fields}},
        "primary": "gauge",
        "label": {"name": "high", "delay": "2s", "classes": 2},
        "features": ["x"],
        "seed": 1,
        "training_code": "training.py",
        "candidates": [{"name": "one", "algorithm": "logistic_regression"}],
        "metrics": ["log_loss"],
        "primary_metric": "log_loss",
        "release": {"sticky_header": USER, **release},
        "monitors": MONITORS,
    }
    (folder / "pipeline.yaml").write_text(json.dumps(pipeline))


def choice(model: str, weights: Mapping[int, float], user: str) -> int:
    """The version a user is given: weighted rendezvous hashing, as `docs/serving.md` has it, written once more."""

    def score(version: int) -> float:
        digest = hashlib.blake2b(digest_size=8)
        for part in (model, f"arm {version}", user):
            digest.update(part.encode() + b"\0")
        return -weights[version] / math.log((int.from_bytes(digest.digest(), "big") + 0.5) / 2**64)

    return max(weights, key=score)


@dataclass(frozen=True)
class Asked:
    """A request as its caller saw it; `status` 0: no answer."""

    at: float
    user: str
    status: int
    version: int
    text: str = ""


@dataclass
class Users:
    """`callers` users at a time ask a model; truths follow `delay` seconds after an answer. A context.

    `stays`: which users ask at all. `gateways`: base URLs, asked in turn; empty: the stack's.
    """

    stack: Stack
    log: BusLog
    model: str
    callers: int = 6
    pause: float = 0.02
    delay: float = 1.0
    stays: Callable[[str], bool] = lambda _: True
    gateways: tuple[str, ...] = ()
    asked: list[Asked] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _truths: asyncio.Queue[tuple[float, GroundTruth]] = field(default_factory=asyncio.Queue)

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._call(number)) for number in range(self.callers)]
        self._tasks.append(asyncio.create_task(self._tell()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        broken = [one for one in ended if not isinstance(one, asyncio.CancelledError)]
        assert broken == [], f"a caller broke down: {broken}"

    @property
    def failures(self) -> list[Asked]:
        return [one for one in self.asked if one.status != OK]

    @property
    def by_version(self) -> Counter[int]:
        return Counter(one.version for one in self.asked if one.status == OK)

    async def _call(self, caller: int) -> None:
        draw = random.Random(f"{self.model} {caller}")
        async with httpx.AsyncClient(timeout=30) as client:
            for number in itertools.count():
                user = f"user-{caller}-{number}"
                if not self.stays(user):
                    continue
                x = draw.uniform(-1.5, 1.5)
                truth = float(draw.random() < sigmoid(x))
                base = self.stack.http_url("gateway")
                if self.gateways:
                    base = self.gateways[number % len(self.gateways)]
                asked, identifier = await ask(client, base, self.model, user, x)
                self.asked.append(asked)
                if identifier:
                    known = GroundTruth(prediction_id=identifier, pipeline=self.model, label=truth)
                    await self._truths.put((time.monotonic() + self.delay, known))
                await asyncio.sleep(self.pause)

    async def _tell(self) -> None:
        while True:
            due, truth = await self._truths.get()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            truth.observed_at.GetCurrentTime()
            await self.log.send(topics.GROUND_TRUTH, truth, key=truth.prediction_id)


async def ask(client: httpx.AsyncClient, base: str, model: str, user: str, x: float) -> tuple[Asked, str]:
    """One inference over REST; what came of it, and the prediction's id."""
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [x]}
    try:
        answer = await client.post(f"{base}/v2/models/{model}/infer", json={"inputs": [tensor]}, headers={USER: user})
        document = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        return Asked(time.monotonic(), user, 0, 0, repr(error)), ""
    if answer.status_code != OK:
        return Asked(time.monotonic(), user, answer.status_code, 0, answer.text), ""
    version = int(document["model_version"])
    return Asked(time.monotonic(), user, OK, version), document["parameters"]["prediction_id"]


@dataclass
class World:
    """A stack with registry, gateway and monitor, and what is told of its rollouts."""

    stack: Stack
    log: BusLog
    http: httpx.AsyncClient

    async def train(self, model: str, made: Model, algorithm: str = "logistic_regression") -> None:
        """Store a model, and tell that it was trained."""
        artifacts = ArtifactStore(self.stack.environment("gateway")["TIDEMILL_ARTIFACTS_URL"])
        digest = await store(artifacts, model, made)
        trained = ModelTrained(run_id=uuid.uuid4().hex, pipeline=model, model=model, artifact_digest=digest)
        trained.winner.name, trained.winner.algorithm = "one", algorithm
        trained.winner.test_metrics.update({"log_loss": 0.5})
        await self.log.send(topics.MODEL_TRAINED, trained, key=model)

    async def serves(self, model: str, *versions: int) -> None:
        """Wait until the gateway answers with exactly these versions, or copies to them."""

        async def in_effect() -> bool:
            answer = await self.http.get(f"{self.stack.http_url('gateway')}/v1/routes")
            route = answer.json()["models"].get(model)
            if route is None or route["behind"]:
                return False
            return {arm["version"] for arm in (*route["arms"], *route["mirrors"])} == set(versions)

        await eventually(in_effect, f"{model} is served by {versions}", 60)

    async def moves(self, model: str) -> list[RolloutChanged]:
        """Every move of the model's rollouts so far."""
        await self.log.refresh()
        records = self.log.records(topics.ROLLOUTS, model.encode())
        return [self.log.parsed(record, RolloutChanged) for record in records]

    async def ends(self, model: str, seconds: float = 120) -> RolloutChanged:
        """Wait until the rollout has ended; its last move."""
        found: list[RolloutChanged] = []

        async def ended() -> bool:
            found[:] = await self.moves(model)
            return bool(found) and found[-1].phase in ("promoted", "rolled_back", "inconclusive", "superseded")

        try:
            await eventually(ended, f"the rollout of {model} ends", seconds)
        except TimeoutError:
            shown = (await self.http.get(f"{self.stack.http_url('registry')}/v1/models/{model}/rollout")).json()
            shown.pop("course", None)
            raise AssertionError(f"not within {seconds:g} s: the rollout of {model} ends; {shown}") from None
        return found[-1]

    async def rollout(self, model: str) -> dict[str, Any]:
        """What the registry says of the rollout."""
        answer = await self.http.get(f"{self.stack.http_url('registry')}/v1/models/{model}/rollout")
        return dict(answer.raise_for_status().json())

    async def by_hand(self, model: str, trigger: str) -> None:
        """A person moves the rollout."""
        url = f"{self.stack.http_url('registry')}/v1/models/{model}/rollout:{trigger}"
        (await self.http.post(url, json={"actor": "ada", "reason": "by hand"})).raise_for_status()
