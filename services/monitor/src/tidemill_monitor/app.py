"""Composition of the monitor."""

import asyncio
from collections.abc import Mapping

from tidemill.v1.model_pb2 import ModelApproved
from tidemill_contracts import topics
from tidemill_runtime.bus import Producer, TableReader
from tidemill_runtime.errors import InvalidInput
from tidemill_runtime.events import Event
from tidemill_runtime.http import HttpServer
from tidemill_runtime.lifecycle import Component, run
from tidemill_runtime.pipelines import read_pipelines
from tidemill_runtime.settings import load_settings
from tidemill_stats import StatsError

from tidemill_monitor.adapters.broker_watch import BrokerWatch
from tidemill_monitor.adapters.changelog import Changelog
from tidemill_monitor.adapters.streams import StageFeed, Streams, changelog_topic
from tidemill_monitor.domain.watched import Catalogue
from tidemill_monitor.evaluation import EvaluationStage
from tidemill_monitor.http import make_app
from tidemill_monitor.join import JoinStage
from tidemill_monitor.settings import MonitorSettings

JOIN = "join"
EVALUATION = "evaluation"


def main() -> None:
    """Run the monitor until it is stopped."""
    settings = load_settings(MonitorSettings)
    run("monitor", settings, components(settings))


def components(settings: MonitorSettings) -> list[Component]:
    """Everything the monitor runs, in the order of its start."""
    catalogue = Catalogue(read_pipelines(settings).values())

    async def on_approved(event: Event[ModelApproved]) -> None:
        try:
            catalogue.approve(event.data)
        except StatsError as error:
            raise InvalidInput(str(error)) from error

    producer = Producer(settings, "monitor")
    approvals = TableReader(settings, topics.MODEL_APPROVED, ModelApproved, on_approved)
    join = JoinStage(
        catalogue, Changelog(producer, changelog_topic(JOIN), JOIN), producer, settings.approval_wait_seconds
    )
    evaluation = EvaluationStage(catalogue, Changelog(producer, changelog_topic(EVALUATION), EVALUATION), producer)
    feeds = [
        StageFeed(JOIN, join, {topics.PREDICTIONS: join.on_predictions, topics.GROUND_TRUTH: join.on_truth}),
        StageFeed(EVALUATION, evaluation, {topics.MONITOR_WINDOWS: evaluation.on_partial}),
    ]
    streams = Streams(settings, producer, feeds, settings.flush_seconds)
    join.truths_end = lambda partition, last: streams.is_at_end(topics.GROUND_TRUTH, partition, last)

    async def readiness() -> Mapping[str, bool]:
        return {"approvals": approvals.caught_up.is_set(), "partitions": streams.ready}

    http = HttpServer(make_app(evaluation, catalogue, readiness), settings.http_host, settings.http_port)
    return [
        producer,
        BrokerWatch(settings.kafka_bootstrap, settings.broker_patience_seconds),
        http,
        approvals,
        _Prepared(approvals, producer, evaluation),
        streams,
    ]


class _Prepared:
    """What must be known before the first message: every approved version, and how many partitions there are."""

    def __init__(self, approvals: TableReader, producer: Producer, evaluation: EvaluationStage) -> None:
        self._approvals = approvals
        self._producer = producer
        self._evaluation = evaluation

    async def start(self) -> None:
        async with asyncio.timeout(30):
            await self._approvals.caught_up.wait()
        self._evaluation.prediction_partitions = await self._producer.partitions(topics.PREDICTIONS)

    async def stop(self) -> None:
        return
