"""What bare faust agents and aiokafka consumers do with the same messages: `python -m benchmarks.monitor.bare`."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.monitor.bus import BARE, CORE
from benchmarks.monitor.data import PARTITIONS

ROOT = Path(__file__).parents[2]
KINDS = ("aiokafka", "faust", "faust-table")


def measure(kind: str, bootstrap: str, messages: int) -> float:
    """Messages a second, in a process of its own on one core."""
    command = [sys.executable, "-m", "benchmarks.monitor.bare", kind, bootstrap, str(messages)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("rate "):
            return float(line.split()[1])
    raise RuntimeError(f"{kind} did not end well: {done.stdout}{done.stderr}")


class Count:
    """Prints the rate between the first and the last message, and ends the process."""

    def __init__(self, messages: int) -> None:
        self._messages = messages
        self._seen = 0
        self._began = 0.0

    def one(self) -> None:
        if self._seen == 0:
            self._began = time.perf_counter()
        self._seen += 1
        if self._seen == self._messages:
            print(f"rate {self._messages / (time.perf_counter() - self._began)}", file=sys.__stdout__, flush=True)
            os._exit(0)


async def consume(bootstrap: str, messages: int) -> None:
    """aiokafka, message by message."""
    count = Count(messages)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    consumer.assign([TopicPartition(BARE, partition) for partition in range(PARTITIONS)])
    async for _ in consumer:
        count.one()


def agent(bootstrap: str, messages: int, *, table: bool) -> None:
    """faust, as the monitor sets it up; with a table, one write an event."""

    class App(faust.App):
        def _create_directories(self) -> None:
            return

    count = Count(messages)
    app = App(
        f"bench-{'table' if table else 'agent'}",
        broker=f"kafka://{bootstrap}",
        autodiscover=False,
        store="memory://",
        key_serializer="raw",
        value_serializer="raw",
        topic_disable_leader=True,
        topic_allow_declare=table,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=8 << 20,
    )
    counts: Any = app.Table("seen", key_type=bytes, value_type=bytes, partitions=PARTITIONS) if table else None

    async def handle(stream: Any) -> None:
        async for event in stream.events():
            if counts is not None:
                counts[event.message.offset.to_bytes(8)] = event.value
            count.one()

    app.agent(app.topic(BARE, key_type=bytes, value_type=bytes), concurrency=1)(handle)
    faust.Worker(app, loglevel="ERROR").execute_from_commandline()


def main() -> None:
    kind, bootstrap, messages = sys.argv[1], sys.argv[2], int(sys.argv[3])
    os.sched_setaffinity(0, [CORE])
    if kind == "aiokafka":
        asyncio.run(consume(bootstrap, messages))
    else:
        agent(bootstrap, messages, table=kind == "faust-table")


if __name__ == "__main__":
    main()
