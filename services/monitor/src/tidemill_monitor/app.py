"""Composition of the monitor."""

from collections.abc import Mapping, Sequence

from tidemill.v1.data_pb2 import DataArrived
from tidemill.v1.model_pb2 import ModelApproved, Route
from tidemill.v1.monitoring_pb2 import DriftResponse
from tidemill_contracts import topics
from tidemill_runtime.bus import DeadLetters, Producer, TableReader
from tidemill_runtime.events import Event
from tidemill_runtime.http import HttpServer
from tidemill_runtime.lifecycle import Component, Worker, run
from tidemill_runtime.pipelines import read_pipelines
from tidemill_runtime.settings import load_settings

from tidemill_monitor.adapters.broker_watch import BrokerWatch
from tidemill_monitor.adapters.changelog import Changelog
from tidemill_monitor.adapters.streams import APP_ID, StageFeed, Streams, TopicEnds, changelog_topic
from tidemill_monitor.arrivals import Arrivals
from tidemill_monitor.domain.watched import Catalogue
from tidemill_monitor.evaluation import EvaluationStage
from tidemill_monitor.http import Models, make_app
from tidemill_monitor.join import JoinStage
from tidemill_monitor.notify.components import notifier_components
from tidemill_monitor.responses import ResponseLog, Responses
from tidemill_monitor.responses_api import create_router
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
        catalogue.approve(event.data)

    async def on_route(event: Event[Route]) -> None:
        catalogue.note_route(event.data)

    producer = Producer(settings, "monitor")
    responses, arrivals = Responses(), Arrivals()
    readers = [
        TableReader(settings, topics.MODEL_APPROVED, ModelApproved, on_approved),
        TableReader(settings, topics.ROUTES, Route, on_route),
        TableReader(settings, topics.DRIFT_RESPONSES, DriftResponse, responses.on_response),
        TableReader(settings, topics.DATA_ARRIVED, DataArrived, arrivals.on_arrived),
    ]
    refuse = DeadLetters(producer, APP_ID).send
    join_log = Changelog(producer, changelog_topic(JOIN), JOIN)
    join = JoinStage(catalogue, join_log, producer, refuse, settings.approval_wait_seconds)
    evaluation_log = Changelog(producer, changelog_topic(EVALUATION), EVALUATION)
    evaluation = EvaluationStage(catalogue, evaluation_log, producer, responses=responses, arrivals=arrivals)
    feeds = [
        StageFeed(JOIN, join, {topics.PREDICTIONS: join.on_predictions, topics.GROUND_TRUTH: join.on_truth}, bulk=True),
        StageFeed(EVALUATION, evaluation, {topics.MONITOR_WINDOWS: evaluation.on_partial}),
    ]
    streams = Streams(settings, producer, feeds, settings.flush_seconds)
    join.truths = TopicEnds(streams, topics.GROUND_TRUTH)

    async def readiness() -> Mapping[str, bool]:
        return {"tables": all(one.caught_up.is_set() for one in readers), "partitions": streams.ready}

    models = Models(evaluation, catalogue)
    answers = create_router(
        settings.operator_token, responses, ResponseLog(responses, producer), models.alarm, models.check
    )
    http = HttpServer(make_app(models, catalogue, readiness, [answers]), settings.http_host, settings.http_port)
    return [
        producer,
        Worker("broker watch", BrokerWatch(settings.kafka_bootstrap, settings.broker_patience_seconds).run),
        http,
        *readers,
        _Prepared(readers, producer, evaluation),
        *notifier_components(settings, producer),
        streams,
    ]


class _Prepared:
    """What must be known before the first message: what the tables hold, and how many partitions there are."""

    def __init__(self, readers: Sequence[TableReader], producer: Producer, evaluation: EvaluationStage) -> None:
        self._readers = readers
        self._producer = producer
        self._evaluation = evaluation

    async def start(self) -> None:
        for reader in self._readers:
            await reader.wait_caught_up()
        self._evaluation.prediction_partitions = await self._producer.partitions(topics.PREDICTIONS)

    async def stop(self) -> None:
        return
