"""The prediction log: batches, partitions, what is kept out of it, and what happens while Kafka is down."""

import asyncio
import math
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka.partitioner import DefaultPartitioner
from gateway_helpers import INFER, PREDICT, ROW, counted, probability, serve_as, v2_body
from hypothesis import given
from hypothesis import strategies as st
from tidemill.v1.prediction_pb2 import ARM_ROLE_MIRROR, ARM_ROLE_PRIMARY, PredictionBatch
from tidemill_dataplane import partition_of
from tidemill_gateway.prediction_log import PredictionLog
from tidemill_gateway.testing import FakeModel
from tidemill_gateway.testing.running import RunningGateway, running_gateway, until
from tidemill_runtime.errors import TooLarge, Unavailable
from tidemill_runtime.testing import FakeProducer

BROKER_BYTES = 8 << 20


class SmallBroker(FakeProducer):
    """Takes no message over 8 MiB, as the real topic."""

    async def send_raw(self, topic: str, *, value: bytes | None, **options: Any) -> None:
        if len(value or b"") > BROKER_BYTES:
            raise TooLarge("the message is too large")
        await super().send_raw(topic, value=value, **options)


class LosesAnswers(FakeProducer):
    """Takes the first message and says that it did not."""

    lost = False

    async def send_raw(self, topic: str, **options: Any) -> None:
        await super().send_raw(topic, **options)
        if not self.lost:
            self.lost = True
            raise Unavailable("the answer was lost")


def dropped(cause: str) -> float:
    return counted("log_drops_total", cause=cause)


def ids(batches: list[PredictionBatch]) -> list[str]:
    return [prediction_id for batch in batches for prediction_id in batch.prediction_ids]


async def by_hand(running: RunningGateway, producer: FakeProducer) -> PredictionLog:
    """The log of the same data plane over another producer; nothing is sent until it is flushed."""
    await running.gateway.log.stop()
    running.producer = producer
    return PredictionLog(running.gateway.plane.native, producer)


async def ask(http: httpx.AsyncClient, rows: int = 1, **values: Any) -> str:
    """A prediction; its id."""
    response = await http.post(INFER, json=v2_body(rows, **values))
    assert response.status_code == 200, response.text
    return response.headers["tidemill-prediction-id"]


async def predict(http: httpx.AsyncClient, *instances: dict[str, Any]) -> str:
    """A prediction for rows of named fields; its id."""
    response = await http.post(PREDICT, json={"instances": list(instances)})
    assert response.status_code == 200, response.text
    return response.headers["tidemill-prediction-id"]


@given(st.text(max_size=60), st.integers(1, 12))
def test_rows_are_placed_as_kafkas_default_partitioner_places_keys(prediction_id: str, partitions: int) -> None:
    key = prediction_id.encode("utf-8", "ignore")
    places = list(range(partitions))
    assert partition_of(key.decode(), partitions) == DefaultPartitioner()(key, places, places)


async def test_rows_of_one_request_go_to_the_partitions_of_their_own_ids(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    await running.serve()
    prediction_id = await predict(http, *({"distance": row, "carrier": f"c{row}"} for row in range(40)))
    await running.gateway.log.flush()
    assert sorted(message.partition for message in running.producer.sent) == [0, 1, 2, 3]
    rows = {}
    for message in running.producer.sent:
        batch = PredictionBatch.FromString(message.value)
        assert message.topic == "predictions"
        distance, temp, carrier = batch.inputs
        label, probabilities = (output.numbers for output in batch.outputs)
        assert [column.name for column in batch.inputs] == ["distance", "temp", "carrier"]
        assert [output.name for output in batch.outputs] == ["label", "probabilities"]
        assert (distance.numbers.width, label.width, probabilities.width) == (1, 1, 2)
        assert all(math.isnan(value) for value in temp.numbers.values)
        assert len(batch.event_times) == len(batch.latencies) == len(batch.prediction_ids)
        assert all(0 < latency < 10 for latency in batch.latencies)
        for position, row_id in enumerate(batch.prediction_ids):
            assert partition_of(row_id, 4) == message.partition
            first, second = probabilities.values[position * 2 :][:2]
            assert first + second == pytest.approx(1)
            rows[row_id] = (
                distance.numbers.values[position],
                carrier.texts.values[position],
                label.values[position],
                second,
            )
    assert rows == {
        f"{prediction_id}:{row}": (float(row), f"c{row}", 1.0, pytest.approx(probability(0, row, None, f"c{row}")))
        for row in range(40)
    }


async def test_versions_roles_epochs_and_outcomes_are_kept_apart(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as running, httpx.AsyncClient(base_url=running.http_url) as http:
        log = await by_hand(running, FakeProducer(partition_count=1))
        first, second = await running.store(FakeModel(1.0)), await running.store(FakeModel(2.0))
        await running.route(3, [(1, first, 1.0)], mirrors=[(2, second, 1.0)])
        await running.until_epoch(3)
        copied = [await ask(http), await ask(http)]
        await until(lambda: counted("mirrored_total", model="flights", version="2") == 2)
        await running.route(4, [(2, second, 1.0)], warm=[(1, first)])
        await running.until_epoch(4)
        later = await ask(http)
        running.triton.loaded["flights-v2"] = FakeModel(empty_outputs=True)
        failed = await http.post(INFER, json=v2_body())
        assert failed.status_code == 500
        await log.flush()
        logged = {(batch.version, batch.role, batch.epoch, bool(batch.error)): batch for batch in running.logged()}
        assert len(logged) == len(running.logged())
        assert {key: len(batch.prediction_ids) for key, batch in logged.items()} == {
            (1, ARM_ROLE_PRIMARY, 3, False): 2,
            (2, ARM_ROLE_MIRROR, 3, False): 2,
            (2, ARM_ROLE_PRIMARY, 4, False): 1,
            (2, ARM_ROLE_PRIMARY, 4, True): 1,
        }
        assert list(logged[1, ARM_ROLE_PRIMARY, 3, False].prediction_ids) == copied
        assert list(logged[2, ARM_ROLE_PRIMARY, 4, False].prediction_ids) == [later]
        error = logged[2, ARM_ROLE_PRIMARY, 4, True]
        assert (error.error, list(error.outputs)) == (failed.json()["error"], [])
        assert [len(column.numbers.values) for column in error.inputs[:2]] == [1, 1]


async def test_a_message_has_at_most_500_rows(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    log = await by_hand(running, FakeProducer(partition_count=1))
    await ask(http, 1000)
    await ask(http, 100)
    await log.flush()
    assert sorted(len(batch.prediction_ids) for batch in running.logged()) == [100, 500, 500]
    assert len(set(ids(running.logged()))) == 1100


async def test_predictions_are_sent_after_a_while(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    made = {await ask(http), await ask(http)}
    await until(lambda: set(ids(running.logged())) == made)
    assert counted("log_rows_total", model="flights") >= 2


async def test_while_kafka_is_down_memory_is_bounded_and_drops_are_counted(tmp_path: Path) -> None:
    async with (
        running_gateway(tmp_path, log_queue_rows=10) as running,
        httpx.AsyncClient(base_url=running.http_url) as http,
    ):
        await running.serve()
        log = await by_hand(running, FakeProducer())
        running.producer.available = False
        made = [await ask(http) for _ in range(10)]
        with pytest.raises(Unavailable):
            await log.flush()
        made += [await ask(http) for _ in range(10)]
        assert counted("log_queue_rows") == 10
        assert dropped("queue_full") == 0
        await ask(http)
        await ask(http, 3)
        assert dropped("queue_full") == 4
        with pytest.raises(Unavailable):
            await log.flush()
        await ask(http)
        assert dropped("queue_full") == 5
        assert counted("log_queue_rows") == 10
        running.producer.available = True
        await log.flush()
        assert sorted(ids(running.logged())) == sorted(made)
        assert counted("log_queue_rows") == 0
        made.append(await ask(http))
        await log.flush()
        assert sorted(ids(running.logged())) == sorted(made)


async def test_memory_is_bounded_in_bytes_too(tmp_path: Path) -> None:
    async with (
        running_gateway(tmp_path, log_queue_bytes=100_000) as running,
        httpx.AsyncClient(base_url=running.http_url) as http,
    ):
        await running.serve()
        running.producer.available = False
        await ask(http, carrier="x" * 150_000)
        assert dropped("queue_full") == 1
        kept = await ask(http, carrier="x" * 50_000)
        assert dropped("queue_full") == 1
        running.producer.available = True
        await until(lambda: ids(running.logged()) == [kept])


async def test_a_batch_tried_again_is_the_same_event(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    log = await by_hand(running, LosesAnswers())
    await ask(http)
    with pytest.raises(Unavailable):
        await log.flush()
    await log.flush()
    assert len(running.producer.sent) == 2
    events = {dict(message.headers)["ce_id"] for message in running.producer.sent}
    assert len(events) == 1


async def test_what_was_acknowledged_is_not_sent_again(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    log = await by_hand(running, LosesAnswers())
    await ask(http, 40)
    with pytest.raises(Unavailable):
        await log.flush()
    await log.flush()
    assert len(running.producer.sent) == 5
    assert len(set(ids(running.logged()))) == 40


async def test_what_waits_is_flushed_on_stop(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as running, httpx.AsyncClient(base_url=running.http_url) as http:
        await running.serve()
        prediction_id = await ask(http, 3)
    assert sorted(ids(running.logged())) == [f"{prediction_id}:{row}" for row in range(3)]


async def test_a_request_whose_caller_goes_away_is_logged(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    running.triton.gate.clear()
    asking = asyncio.create_task(http.post(INFER, json=v2_body()))
    await until(lambda: running.gateway.plane.in_flight("flights", 1) == 1)
    asking.cancel()
    await until(lambda: running.gateway.plane.in_flight("flights", 1) == 0)
    await until(lambda: len(running.logged()) == 1)
    assert "went away" in running.logged()[0].error


@pytest.mark.parametrize("first_is_large", [True, False])
async def test_a_prediction_too_large_for_kafka_is_dropped_and_counted(
    running: RunningGateway, http: httpx.AsyncClient, first_is_large: bool
) -> None:
    await running.serve()
    log = await by_hand(running, SmallBroker(partition_count=1))
    made = []
    for is_large in (first_is_large, not first_is_large):
        made.append(await ask(http, carrier="x" * (9 << 20) if is_large else "UA"))
    await log.flush()
    assert ids(running.logged()) == [made[1 if first_is_large else 0]]
    assert dropped("too_large") == 1


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (0.5, 70, 130), (1.0, 200, 200)])
async def test_a_share_of_the_predictions_is_logged(
    running: RunningGateway, http: httpx.AsyncClient, share: float, least: int, most: int
) -> None:
    await serve_as(running, log={"sample": share})
    made = [await ask(http) for _ in range(200)]
    await running.gateway.log.flush()
    logged = ids(running.logged())
    assert least <= len(logged) <= most
    assert set(logged) <= set(made)
    assert len(logged) == len(set(logged))


async def test_a_request_is_logged_with_all_its_rows_or_none(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await serve_as(running, log={"sample": 0.5})
    for _ in range(30):
        await ask(http, 3)
    await running.gateway.log.flush()
    rows = Counter(row_id.partition(":")[0] for row_id in ids(running.logged()))
    assert 0 < len(rows) < 30
    assert set(rows.values()) == {3}


async def test_a_dropped_input_is_not_in_the_log(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await serve_as(running, log={"drop": ["carrier"]})
    await ask(http, carrier="secret")
    await until(lambda: len(running.logged()) == 1)
    (batch,) = running.logged()
    assert [column.name for column in batch.inputs] == ["distance", "temp"]
    assert [output.name for output in batch.outputs] == ["label", "probabilities"]
    assert b"secret" not in batch.SerializeToString()


async def test_a_hashed_input_is_told_apart_but_not_told(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await serve_as(running, log={"hash": ["carrier", "distance"]})
    rows = [
        {"carrier": "UA", "distance": 5},
        {"carrier": "UA", "distance": 5},
        {"carrier": "B6", "distance": 6},
        {"carrier": "", "distance": None},
    ]
    made = [await predict(http, row) for row in rows]
    await running.gateway.log.flush()
    hashes: dict[str, dict[str, str]] = {}
    for batch in running.logged():
        columns = {column.name: column for column in batch.inputs}
        assert columns["temp"].HasField("numbers")
        for position, prediction_id in enumerate(batch.prediction_ids):
            hashes[prediction_id] = {name: columns[name].texts.values[position] for name in ("carrier", "distance")}
        assert b"UA" not in batch.SerializeToString()
    first, second, third, fourth = (hashes[prediction_id] for prediction_id in made)
    assert first == second
    assert fourth == {"carrier": "", "distance": ""}
    for name in ("carrier", "distance"):
        assert len(first[name]) == len(third[name]) == 32
        assert first[name] != third[name]


async def test_hashes_depend_on_the_key_and_on_nothing_else(tmp_path: Path) -> None:
    hashes = []
    for number, key in enumerate(["one key", "one key", "another key"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with running_gateway(folder, log_hash_key=key) as running:
            await serve_as(running, log={"hash": ["carrier"]})
            async with httpx.AsyncClient(base_url=running.http_url) as http:
                assert (await http.post(PREDICT, json=ROW)).status_code == 200
        hashes.append(running.logged()[0].inputs[2].texts.values[0])
    assert hashes[0] == hashes[1] != hashes[2]
