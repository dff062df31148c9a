"""A small pipeline, and messages of its streams."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
from tidemill.v1.prediction_pb2 import GroundTruth
from tidemill_contracts.pipeline import PipelineFile
from tidemill_ingest.domain.messages import Message

START = datetime(2024, 1, 1, tzinfo=UTC)


def rides_pipeline() -> PipelineFile:
    return PipelineFile.model_validate(
        {
            "path": Path("pipeline.yaml"),
            "apiVersion": "tidemill/v1",
            "name": "rides",
            "model": "rides",
            "task": "classification",
            "sources": {
                "rides": {
                    "event_time": "at",
                    "fields": {
                        "at": {"type": "timestamp"},
                        "city": {"type": "category"},
                        "distance": {"type": "float", "min": 0, "max": 100},
                    },
                },
                "weather": {
                    "event_time": "at",
                    "fields": {
                        "at": {"type": "timestamp"},
                        "city": {"type": "category"},
                        "rain": {"type": "float", "required": False},
                    },
                },
            },
            "primary": "rides",
            "joins": [{"source": "weather", "on": ["city"], "tolerance": "3h"}],
            "label": {"name": "late", "delay": "1d", "classes": 2},
            "features": ["city", "distance", "weather.rain"],
            "dataset": {"announce_every_rows": 4, "announce_every": "7d"},
            "seed": 1,
            "training_code": "training.py",
            "candidates": [{"name": "tree", "algorithm": "tree"}],
            "metrics": ["auc"],
            "primary_metric": "auc",
        }
    )


def hours(number: float) -> datetime:
    return START + timedelta(hours=number)


def message(value: bytes | dict, *, offset: int, partition: int = 0) -> Message:
    raw = value if isinstance(value, bytes) else orjson.dumps(value)
    return Message(partition, offset, START, None, raw, ())


def ride(identifier: str, hour: float, *, city: str = "NYC", distance: float = 5.0) -> dict:
    return {"id": identifier, "at": hours(hour).isoformat(), "city": city, "distance": distance}


def weather(hour: float, rain: float, *, city: str = "NYC") -> dict:
    return {"id": f"{city}-{hour}", "at": hours(hour).isoformat(), "city": city, "rain": rain}


def truth(record_id: str, label: float, *, hour: float = 30, pipeline: str = "rides") -> bytes:
    proto = GroundTruth(record_id=record_id, label=label, pipeline=pipeline, prediction_id="p")
    proto.observed_at.FromDatetime(hours(hour))
    return proto.SerializeToString()
