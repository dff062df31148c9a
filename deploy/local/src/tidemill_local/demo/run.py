"""The demo from start to report."""

import asyncio
import shutil
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import polars as pl
from rich.live import Live

from tidemill_local import offsets
from tidemill_local.console import err, out
from tidemill_local.demo import report
from tidemill_local.demo.clients import Application, Producers
from tidemill_local.demo.consumers import Consumers
from tidemill_local.demo.live import Dashboard
from tidemill_local.demo.replay import Pace, Predicted, Replay, split
from tidemill_local.demo.scores import by_period, frozen_probabilities
from tidemill_local.demo.timeline import END, Timeline
from tidemill_local.demo.watch import Watcher
from tidemill_local.errors import StackError
from tidemill_local.stack import Stack

FIRST_MODEL_SECONDS = 300.0
FLIGHTS_A_DAY = 923


@dataclass(frozen=True)
class Size:
    """How much of the year is replayed, and how fast."""

    title: str
    sample: float
    until: datetime
    pace: Pace
    shuffle: int | None = None

    @property
    def most_lag(self) -> int:
        """Messages the consumers may be behind: three days' of a topic."""
        return round(3 * FLIGHTS_A_DAY * self.sample)


QUICK = Size(
    "Tidemill demo: New York's flights of 2013 to mid-June, one in five",
    sample=0.2,
    until=datetime(2013, 6, 15, 4, tzinfo=UTC),
    pace=Pace(usual=60, retraining=6),
)
FULL = Size("Tidemill demo: New York's flights of 2013", sample=1.0, until=END, pace=Pace(usual=36, retraining=2))
SHUFFLE_SEED = 2013
IMPATIENCE = {"TIDEMILL_FLUSH_SECONDS": "0.3", "TIDEMILL_INGEST_FLUSH_SECONDS": "0.5"}
"""A second of the services' usual patience would be days of the flights'."""


def run(stack: Stack, size: Size) -> Path:
    """Start an empty stack, replay, report; the report's path. The stack is left running."""
    began = time.monotonic()
    stack.down()
    forget(stack)
    stack.up(env=IMPATIENCE)
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


def shuffled(size: Size) -> Size:
    """The control: the same hours in a random order, so that there is no drift to find."""
    return replace(size, title=f"{size.title}, its hours shuffled", shuffle=SHUFFLE_SEED)


def forget(stack: Stack) -> None:
    """Remove the data of the stack's last run: a replay of the same records would be dropped as repeats."""
    for folder in ("kafka", "postgres", "triton", "lake", "artifacts", "work", "logs"):
        shutil.rmtree(stack.home.path / folder, ignore_errors=True)


async def _replay(stack: Stack, size: Size, setup_seconds: float) -> report.Result:
    err.print("Reading the year's flights…")
    timeline = await asyncio.to_thread(Timeline.load, size.sample, size.shuffle)
    past, live = split(list(timeline.ticks(size.until)))
    application = Application(f"127.0.0.1:{stack.ports['gateway-grpc']}", f"127.0.0.1:{stack.ports['gateway']}")
    producers = Producers(stack.bootstrap)
    watcher = Watcher(stack, lambda: replay.now)
    consumers = Consumers(stack.bootstrap, size.most_lag)
    replay = Replay(application, producers, watcher, size.pace, consumers)
    await producers.start()
    await consumers.start()
    await watcher.start()
    try:
        began = time.monotonic()
        err.print("January and February: records and truths, until the first model serves…")
        await replay.history(past)
        await _first_model(watcher)
        with Live(Dashboard(replay, watcher, size.until), console=err, refresh_per_second=4):
            await replay.live(live)
            await consumers.done()
        replay_seconds = time.monotonic() - began
        memory = stack.resident_memory()
        predictions = await _scored(stack, timeline, replay.predicted)
        counts = {name: sum(ends) for name, ends in (await offsets.end_offsets(stack.bootstrap)).items()}
    finally:
        await consumers.stop()
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
        alarms=watcher.state.alarms,
        releases=watcher.state.releases,
    )


async def _first_model(watcher: Watcher) -> None:
    deadline = time.monotonic() + FIRST_MODEL_SECONDS
    while not watcher.state.champion:
        watcher.check()
        if time.monotonic() > deadline:
            raise StackError("No model serves.", "See what the trainer says: ./tidemill logs trainer")
        await asyncio.sleep(0.2)


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
