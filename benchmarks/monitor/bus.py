"""A stack of Kafka and, when asked for, the monitor; and topics filled before anybody reads them."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Iterable
from pathlib import Path

import psutil
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from tidemill_contracts import topics
from tidemill_local.stack import Stack

from benchmarks.monitor import data

LABELS = "tidemill.v1.GroundTruthBatch"
BARE = "bench-bare"
CORE = 0
MONITOR_ENV = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def new_stack(folder: Path, port_offset: int) -> Stack:
    """A stack in a folder of its own, with Kafka up and one version approved."""
    pipelines = folder / "pipelines" / data.MODEL
    pipelines.mkdir(parents=True)
    (pipelines / "pipeline.yaml").write_text(json.dumps(data.pipeline_file()))
    (pipelines / "training.py").write_text("")
    stack = Stack(folder / "stack", port_offset, pipelines=folder / "pipelines", env=MONITOR_ENV)
    stack.up(["kafka"])
    asyncio.run(_prepare(stack.bootstrap))
    return stack


async def _prepare(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(BARE, data.PARTITIONS, 1)])
    await admin.close()
    approval = data.approval()
    await _send(bootstrap, [(topics.MODEL_APPROVED, 0, approval.SerializeToString(), approval.DESCRIPTOR.full_name)])


def fill(bootstrap: str, sent: Iterable[data.Sent], topic: str = topics.PREDICTIONS, *, labels: bool = True) -> None:
    """Put predictions into a topic, and their labels into `ground-truth`."""

    def messages() -> Iterable[tuple[str, int, bytes, str]]:
        for one in sent:
            yield topic, one.partition, one.predictions, "tidemill.v1.PredictionBatch"
            if labels:
                yield topics.GROUND_TRUTH, one.partition, one.truths, LABELS

    asyncio.run(_send(bootstrap, messages()))


async def _send(bootstrap: str, messages: Iterable[tuple[str, int, bytes, str]]) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, linger_ms=20, max_batch_size=1 << 20, max_request_size=8 << 20
    )
    await producer.start()
    try:
        for topic, partition, value, kind in messages:
            headers = [
                ("ce_specversion", b"1.0"),
                ("ce_id", b"0195f0c2-7a3f-7b0a-9c43-3d0a4e6c1f77"),
                ("ce_type", kind.encode()),
                ("ce_source", b"tidemill/gateway"),
                ("ce_subject", b"0"),
                ("ce_time", b"2026-01-01T00:00:00+00:00"),
                ("content-type", b"application/protobuf"),
            ]
            await producer.send(topic, value=value, key=b"k", partition=partition, headers=headers)
    finally:
        await producer.stop()


def watch_monitor(stack: Stack, until: int) -> tuple[float, float, float]:
    """Start the monitor on one core and wait until it has taken so many predictions.

    Returns predictions a second, predictions a second of its processor time, and its largest memory in MB.
    """
    stack.start("monitor")
    process = psutil.Process(stack.processes.main("monitor").pid)  # type: ignore[union-attr]
    _pin(process)
    first: tuple[float, float, float] | None = None
    largest = 0.0
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        now, taken = time.perf_counter(), _taken(stack.http_url("monitor"))
        spent = sum(process.cpu_times()[:2])
        largest = max(largest, process.memory_info().rss / 1e6)
        if taken and first is None:
            first = now, taken, spent
        if first is not None and taken >= until:
            done = taken - first[1]
            return done / (now - first[0]), done / (spent - first[2]), largest
        time.sleep(0.25)
    raise TimeoutError(f"the monitor did not take {until} predictions in time")


def _pin(process: psutil.Process) -> None:
    for thread in process.threads():
        psutil.Process(thread.id).cpu_affinity([CORE])


def _taken(url: str) -> float:
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as response:
        for line in response.read().decode().splitlines():
            if line.startswith("tidemill_monitor_predictions_total{"):
                return float(line.rsplit(" ", 1)[1])
    return 0.0
