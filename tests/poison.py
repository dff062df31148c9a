"""Messages that cannot be used, of every kind, and the consumer that must give each of them up."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from google.protobuf.message import Message
from tideline import START, fill, truth_batch
from tidemill.v1.monitoring_pb2 import PanePartial
from tidemill.v1.prediction_pb2 import GroundTruth, GroundTruthBatch, PredictionBatch
from tidemill_contracts import topics
from tidemill_runtime.events import headers_of, new_event

MONITOR = "tidemill-monitor"
NOTIFIER = "tidemill-notifier"
GARBAGE = b"\xff\xfe\x00 not a message \x80"


@dataclass(frozen=True)
class Poison:
    """A message as it is sent, and the consumer group whose dead letter it becomes."""

    topic: str
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    group: str = MONITOR


def poison(model: str) -> Iterator[Poison]:
    """Every kind, in the name of a model."""
    yield from _no_messages()
    for batch in _predictions(model):
        yield _event(topics.PREDICTIONS, batch)
    for truth in _truths(model):
        yield _event(topics.GROUND_TRUTH, truth)
    yield _event(topics.PREDICTIONS, GroundTruth(prediction_id="x", pipeline=model))
    yield _event(topics.GROUND_TRUTH, _batch(model, 2))
    yield _event(topics.MONITOR_WINDOWS, PanePartial(model="nobody's", version=1, start=START))


def _no_messages() -> Iterator[Poison]:
    for topic in (topics.PREDICTIONS, topics.GROUND_TRUTH, topics.MONITOR_WINDOWS):
        yield Poison(topic, GARBAGE)
    yield Poison(topics.PREDICTIONS, None)
    yield Poison(topics.PREDICTIONS, b"{not json", [("content-type", b"application/json")])
    yield Poison(topics.GROUND_TRUTH, b"[1]", [("content-type", b"application/json")])
    yield Poison(topics.DRIFT_DETECTED, GARBAGE, group=NOTIFIER)


def _predictions(model: str) -> Iterator[PredictionBatch]:
    yield _batch("nobody's", 3)
    yield _batch(model, 3, version=99)
    yield _batch(model, 0)
    yield _batch(model, 3, times=2)
    shorter = _batch(model, 3)
    del shorter.inputs[0].numbers.values[-1]
    yield shorter
    twice = _batch(model, 3)
    twice.inputs.append(twice.inputs[0])
    yield twice
    narrow = _batch(model, 3)
    del narrow.outputs[1].numbers.values[-1]
    yield narrow
    mute = _batch(model, 3)
    mute.ClearField("outputs")
    yield mute
    texts = _batch(model, 3)
    texts.outputs[0].texts.values.extend(["a", "b", "c"])
    yield texts
    late = _batch(model, 3)
    late.latencies.append(0.1)
    yield late


def _truths(model: str) -> Iterator[GroundTruth | GroundTruthBatch]:
    for label in (7.0, -1.0, 0.5, math.nan, math.inf):
        yield GroundTruth(prediction_id="poison-1", pipeline=model, label=label)
    crooked = truth_batch(model, [("poison-1", START, 1.0), ("poison-2", START, 0.0)])
    crooked.labels.append(1.0)
    yield crooked
    timeless = truth_batch(model, [("poison-1", START, 1.0), ("poison-2", START, 0.0)])
    del timeless.observed_at[-1]
    yield timeless


def _batch(model: str, rows: int, *, version: int = 1, times: int | None = None) -> PredictionBatch:
    message = PredictionBatch(
        model=model,
        version=version,
        prediction_ids=[f"poison-{row}" for row in range(rows)],
        event_times=[START] * (rows if times is None else times),
    )
    fill(message, np.zeros(rows), np.full(rows, "a"), np.full(rows, 0.5))
    return message


def _event(topic: str, data: Message) -> Poison:
    return Poison(topic, data.SerializeToString(), headers_of(new_event("test", "poison", data)))
