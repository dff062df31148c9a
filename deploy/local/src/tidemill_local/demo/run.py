"""The demo from start to report."""

import asyncio
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import polars as pl
from rich.live import Live

from tidemill_local import offsets
from tidemill_local.console import err, out
from tidemill_local.demo import report
from tidemill_local.demo.clients import Application, Producers
from tidemill_local.demo.live import Dashboard
from tidemill_local.demo.replay import Pace, Predicted, Replay, split
from tidemill_local.demo.scores import by_period, frozen_probabilities
from tidemill_local.demo.timeline import Timeline
from tidemill_local.demo.watch import Watcher
from tidemill_local.errors import StackError
from tidemill_local.stack import Stack

FIRST_MODEL_SECONDS = 300.0
DRAIN_SECONDS = 60.0
LAGGING_GROUPS = ("ingest", "tidemill-monitor")


@dataclass(frozen=True)
class Size:
    """How much of the year is replayed, and how fast."""

    title: str
    sample: float
    pace: Pace


QUICK = Size("Tidemill demo: New York's flights of 2013, one in five", 0.2, Pace(usual=90, retraining=8))
FULL = Size("Tidemill demo: New York's flights of 2013", 1.0, Pace(usual=40, retraining=4))


def run(stack: Stack, size: Size) -> Path:
    """Start an empty stack, replay, report; the report's path. The stack is left running."""
    began = time.monotonic()
    stack.down()
    forget(stack)
    stack.up()
    setup_seconds = time.monotonic() - began
    result = asyncio.run(_replay(stack, size, setup_seconds))
    path = stack.home.path / "report.html"
    report.write_html(result, path)
    out.print(report.table(result))
    out.print(report.summary(result), soft_wrap=True)
    out.print(f"Report: {path}", soft_wrap=True)
    if result.statistics.failures:
        raise StackError(f"{len(result.statistics.failures)} requests failed: {result.statistics.failures[0]}.")
    return path


def forget(stack: Stack) -> None:
    """Remove the data of the stack's last run: a replay of the same records would be dropped as repeats."""
    for folder in ("kafka", "postgres", "triton", "lake", "artifacts", "work", "logs"):
        shutil.rmtree(stack.home.path / folder, ignore_errors=True)


async def _replay(stack: Stack, size: Size, setup_seconds: float) -> report.Result:
    err.print("Reading the year's flights…")
    timeline = await asyncio.to_thread(Timeline.load, size.sample)
    past, live = split(list(timeline.ticks()))
    application = Application(f"127.0.0.1:{stack.ports['gateway-grpc']}", f"127.0.0.1:{stack.ports['gateway']}")
    producers = Producers(stack.bootstrap)
    watcher = Watcher(stack.bootstrap, stack.http_url("registry"), stack.http_url("gateway"), lambda: replay.now)
    replay = Replay(application, producers, watcher, size.pace, lambda: _lag(stack))
    await producers.start()
    await watcher.start()
    try:
        began = time.monotonic()
        err.print("January and February: records and truths, until the first model serves…")
        await replay.history(past)
        await _first_model(watcher)
        with Live(Dashboard(replay, watcher), console=err, refresh_per_second=4):
            await replay.live(live)
            await _drain(stack)
        replay_seconds = time.monotonic() - began
        memory = stack.resident_memory()
        predictions = await _scored(stack, timeline, replay.predicted)
        counts = {name: sum(ends) for name, ends in (await offsets.end_offsets(stack.bootstrap)).items()}
    finally:
        await watcher.stop()
        await producers.stop()
        await application.close()
    return report.Result(
        title=size.title,
        months=by_period(predictions, "1mo"),
        weeks=by_period(predictions, "1w"),
        marks=watcher.state.marks,
        topics={name: count for name, count in sorted(counts.items()) if count},
        statistics=application.statistics,
        memory=memory,
        setup_seconds=setup_seconds,
        replay_seconds=replay_seconds,
        trainings=watcher.state.trainings,
    )


async def _first_model(watcher: Watcher) -> None:
    deadline = time.monotonic() + FIRST_MODEL_SECONDS
    while not watcher.state.champion:
        watcher.check()
        if time.monotonic() > deadline:
            raise StackError("No model serves.", "See what the trainer says: ./tidemill logs trainer")
        await asyncio.sleep(0.2)


async def _lag(stack: Stack) -> int:
    lags = await offsets.lags(stack.bootstrap)
    return max((lag.messages for lag in lags if lag.group in LAGGING_GROUPS), default=0)


async def _drain(stack: Stack) -> None:
    deadline = time.monotonic() + DRAIN_SECONDS
    while await _lag(stack) and time.monotonic() < deadline:
        await asyncio.sleep(0.5)


async def _scored(stack: Stack, timeline: Timeline, predicted: Predicted) -> pl.DataFrame:
    """Flights that were predicted and landed: scheduled_departure, late, loop, frozen."""
    async with httpx.AsyncClient() as client:
        versions = (await client.get(f"{stack.http_url('registry')}/v1/models/flights/versions?limit=1000")).json()
    first = next(row for row in reversed(versions) if row["state"] != "rejected")
    answers = pl.DataFrame({"id": predicted.flights, "loop": predicted.late})
    flights = timeline.features.join(answers, on="id").join(timeline.truths.select("id", "late"), on="id")
    artifacts_url = stack.environment("gateway")["TIDEMILL_ARTIFACTS_URL"]
    frozen = await frozen_probabilities(artifacts_url, first["artifact_digest"], flights)
    return flights.select("scheduled_departure", "late", "loop").with_columns(frozen=pl.Series(frozen))
