"""Ingest's composition root."""

from collections.abc import Mapping

from tidemill_contracts.pipeline import PipelineFile, Source
from tidemill_runtime.bus import Producer
from tidemill_runtime.errors import Conflict
from tidemill_runtime.http import HttpServer, create_app
from tidemill_runtime.lifecycle import Worker, run
from tidemill_runtime.pipelines import read_pipelines
from tidemill_runtime.settings import load_settings

from tidemill_ingest.adapters.lake import Lake
from tidemill_ingest.api import create_router
from tidemill_ingest.datasets import DatasetWriter
from tidemill_ingest.domain.messages import LabelStream, RecordStream
from tidemill_ingest.handlers import Collector
from tidemill_ingest.settings import IngestSettings
from tidemill_ingest.storing import StreamStore


def main() -> None:
    """Run the service until it is told to stop."""
    settings = load_settings(IngestSettings)
    pipelines = read_pipelines(settings)
    sources = sources_of(pipelines)
    lake = Lake(settings.lake_url)
    producer = Producer(settings, "ingest")
    streams = {name: RecordStream(name, source) for name, source in sources.items()}
    stores = {
        stream.topic: StreamStore(lake, stream, lake.records(name, stream.source)) for name, stream in streams.items()
    }
    labels = LabelStream(list(pipelines.values()))
    stores[labels.topic] = StreamStore(lake, labels, lake.labels())
    writers = [DatasetWriter(lake, pipeline) for pipeline in pipelines.values()]
    collector = Collector(settings, stores, writers, producer)

    async def readiness() -> Mapping[str, bool]:
        return {"kafka": bool(collector.reader.assigned)}

    app = create_app("Tidemill ingest", readiness)
    app.include_router(create_router(settings, streams, producer, lake, collector.lake_lock))
    http = HttpServer(app, settings.http_host, settings.http_port)
    run("ingest", settings, [producer, collector.reader, Worker("collector", collector.run), http])


def sources_of(pipelines: Mapping[str, PipelineFile]) -> dict[str, Source]:
    """Every source by name; pipelines may share one if they say the same of it."""
    sources: dict[str, Source] = {}
    for pipeline in pipelines.values():
        for name, source in pipeline.sources.items():
            if sources.setdefault(name, source) != source:
                raise Conflict(f"{pipeline.path}: source {name!r} differs from another pipeline's; use one definition")
    return sources
