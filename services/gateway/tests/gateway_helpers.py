"""What several of the gateway's tests use."""

import math
from typing import Any

from prometheus_client import REGISTRY
from tidemill_gateway.testing import FakeModel
from tidemill_gateway.testing.running import RunningGateway

INFER = "/v2/models/flights/infer"
PREDICT = "/v1/models/flights:predict"
ROW = {"instances": [{"distance": 1000.0, "carrier": "UA"}]}


def counted(metric: str, **labels: str) -> float:
    """A metric of the gateway that runs now; 0 if it was never counted."""
    return REGISTRY.get_sample_value(f"tidemill_gateway_{metric}", labels) or 0.0


def v2_body(rows: int = 1, *, distance: float = 1000.0, carrier: str = "UA", **changes: object) -> dict[str, object]:
    """A V2 request of equal rows, in JSON, their temp missing."""
    inputs = [
        {"name": "distance", "datatype": "FP32", "shape": [rows, 1], "data": [distance] * rows},
        {"name": "temp", "datatype": "FP32", "shape": [rows, 1], "data": [None] * rows},
        {"name": "carrier", "datatype": "BYTES", "shape": [rows, 1], "data": [carrier] * rows},
    ]
    return {"inputs": inputs, **changes}


def probability(bias: float, distance: float | None, temp: float | None, carrier: str) -> float:
    """P(1) as the fake model has it."""
    return 1 / (1 + math.exp(-(bias + (distance or 0) / 1000 - (temp or 0) / 10 + len(carrier))))


async def serve_as(running: RunningGateway, bias: float = 0.0, version: int = 1, epoch: int = 1, **serving: Any) -> str:
    """Store a model that wants to be served so, and route all traffic to it; its digest."""
    digest = await running.store(FakeModel(bias), serving=serving)
    await running.route(epoch, [(version, digest, 1.0)])
    await running.until_epoch(epoch)
    return digest


async def candidate(running: RunningGateway, **serving: Any) -> None:
    """A champion, version 1, and a candidate, version 2, that gets practically all of the traffic."""
    first, second = await running.store(FakeModel(-9.0)), await running.store(FakeModel(9.0), serving=serving)
    await running.route(1, [(1, first, 1e-12), (2, second, 1.0)])
    await running.until_epoch(1)
