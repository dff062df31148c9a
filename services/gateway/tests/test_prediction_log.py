"""The prediction log: batches, partitions, and what happens while Kafka is down."""

from typing import Any

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from tidemill.v1.prediction_pb2 import ARM_ROLE_MIRROR, ARM_ROLE_PRIMARY
from tidemill_gateway.domain.batches import LoggedPrediction, batches
from tidemill_gateway.domain.ids import new_prediction_id
from tidemill_gateway.domain.json_values import tensor_of
from tidemill_gateway.prediction_log import PredictionLog, partition_of
from tidemill_gateway.testing.running import until
from tidemill_runtime.errors import Unavailable
from tidemill_runtime.testing import FakeProducer


def logged(rows: int = 1, **changes: Any) -> LoggedPrediction:
    values: dict[str, Any] = {
        "model": "flights",
        "version": 1,
        "role": ARM_ROLE_PRIMARY,
        "prediction_id": new_prediction_id(),
        "rows": rows,
        "event_time": 1362139200000000,
        "latency": 0.25,
        "inputs": (
            tensor_of("distance", "FP32", (rows, 1), [float(row) for row in range(rows)]),
            tensor_of("carrier", "BYTES", (rows, 1), [f"c{row}" for row in range(rows)]),
        ),
        "outputs": (tensor_of("probabilities", "FP32", (rows, 2), [0.5, 0.25] * rows),),
        "epoch": 3,
    }
    return LoggedPrediction(**{**values, **changes})


def dropped(cause: str) -> float:
    return REGISTRY.get_sample_value("tidemill_gateway_log_drops_total", {"cause": cause}) or 0.0


@given(st.text(max_size=60), st.integers(1, 12))
def test_rows_are_placed_as_kafkas_default_partitioner_places_keys(prediction_id: str, partitions: int) -> None:
    places = list(range(partitions))
    expected = DefaultPartitioner()(prediction_id.encode("utf-8", "ignore"), places, places)
    assert partition_of(prediction_id.encode("utf-8", "ignore").decode(), partitions) == expected


def test_rows_of_one_request_go_to_the_partitions_of_their_own_ids() -> None:
    prediction = logged(rows=40)
    placed = list(batches([prediction], lambda prediction_id: partition_of(prediction_id, 4)))
    assert len(placed) == 4
    rows = {}
    for item in placed:
        distance, carrier = item.batch.inputs
        for position, prediction_id in enumerate(item.batch.prediction_ids):
            assert partition_of(prediction_id, 4) == item.partition
            probabilities = item.batch.outputs[0].numbers
            assert (probabilities.width, list(probabilities.values[position * 2 :][:2])) == (2, [0.5, 0.25])
            rows[prediction_id] = (distance.numbers.values[position], carrier.texts.values[position])
    assert rows == {f"{prediction.prediction_id}:{row}": (float(row), f"c{row}") for row in range(40)}


def test_versions_roles_epochs_and_outcomes_are_kept_apart() -> None:
    mixed = [
        logged(),
        logged(version=2),
        logged(role=ARM_ROLE_MIRROR),
        logged(epoch=4),
        logged(error="no answer", outputs=()),
        logged(),
    ]
    placed = list(batches(mixed, lambda _: 0))
    assert sorted(len(item.batch.prediction_ids) for item in placed) == [1, 1, 1, 1, 2]
    (failed,) = [item.batch for item in placed if item.batch.error]
    assert (failed.error, list(failed.outputs)) == ("no answer", [])


def test_a_message_has_at_most_500_rows() -> None:
    placed = list(batches([logged(rows=1000), logged(rows=100)], lambda _: 0))
    assert sorted(len(item.batch.prediction_ids) for item in placed) == [100, 500, 500]


async def test_predictions_are_sent_after_a_while() -> None:
    producer = FakeProducer(partition_count=1)
    log = PredictionLog(producer, max_rows=100, flush_seconds=0.01)
    await log.start()
    log.put(logged())
    log.put(logged())
    await until(lambda: sum(len(event.data.prediction_ids) for _, event in producer.events) == 2)
    await log.stop()
    assert (producer.sent[0].topic, producer.sent[0].partition) == ("predictions", 0)


async def test_500_waiting_rows_are_sent_at_once() -> None:
    producer = FakeProducer(partition_count=1)
    log = PredictionLog(producer, max_rows=1000, flush_seconds=3600)
    await log.start()
    log.put(logged(rows=500))
    await until(lambda: len(producer.sent) == 1)
    await log.stop()


async def test_while_kafka_is_down_memory_is_bounded_and_drops_are_counted() -> None:
    producer = FakeProducer(partition_count=1)
    producer.available = False
    log = PredictionLog(producer, max_rows=10, flush_seconds=0.01)
    before = dropped("queue_full")
    kept = [logged() for _ in range(10)]
    for prediction in [*kept, logged(), logged(rows=3)]:
        log.put(prediction)
    assert dropped("queue_full") - before == 4
    assert REGISTRY.get_sample_value("tidemill_gateway_log_queue_rows") == 10
    with pytest.raises(Unavailable):
        await log.flush()
    log.put(logged())
    assert dropped("queue_full") - before == 5
    producer.available = True
    await log.flush()
    sent = [prediction_id for _, event in producer.events for prediction_id in event.data.prediction_ids]
    assert sent == [prediction.prediction_id for prediction in kept]
    assert REGISTRY.get_sample_value("tidemill_gateway_log_queue_rows") == 0
    log.put(logged())
    await log.flush()
    assert len(producer.events) == 2


async def test_a_batch_tried_again_is_the_same_event() -> None:
    class LosesAnswers(FakeProducer):
        lost = 0

        async def send(self, topic: str, event: Any, *, partition: int | None = None) -> None:
            await super().send(topic, event, partition=partition)
            if not self.lost:
                self.lost += 1
                raise Unavailable("the answer was lost")

    producer = LosesAnswers(partition_count=1)
    log = PredictionLog(producer, max_rows=10)
    log.put(logged())
    with pytest.raises(Unavailable):
        await log.flush()
    await log.flush()
    assert len({event.id for _, event in producer.events}) == 1
    assert len(producer.events) == 2


async def test_what_waits_is_flushed_on_stop() -> None:
    producer = FakeProducer(partition_count=1)
    log = PredictionLog(producer, max_rows=10, flush_seconds=3600)
    await log.start()
    log.put(logged(rows=3))
    await log.stop()
    assert [len(event.data.prediction_ids) for _, event in producer.events] == [3]


async def test_a_prediction_too_large_for_kafka_is_dropped_and_counted() -> None:
    producer = FakeProducer(partition_count=1)
    log = PredictionLog(producer, max_rows=10)
    before = dropped("too_large")
    log.put(logged(inputs=(tensor_of("carrier", "BYTES", (1, 1), ["x" * (9 << 20)]),)))
    log.put(logged())
    await log.flush()
    assert dropped("too_large") - before == 1
    assert len(producer.sent) == 1
