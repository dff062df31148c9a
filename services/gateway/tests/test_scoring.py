"""Predictions asked for on the topic `requests`."""

import math
from pathlib import Path

import grpc
import pytest
from gateway_helpers import counted, probability, serve_as
from tidemill.v1.prediction_pb2 import Column, Numbers, PredictionRequest, Texts
from tidemill_contracts.manifest import TensorSpec
from tidemill_gateway.domain.tensors import to_numbers
from tidemill_gateway.scoring import tensor_of
from tidemill_gateway.testing.running import RunningGateway, running_gateway
from tidemill_runtime.errors import InvalidInput, NotFound, TidemillError, TooLarge, Unavailable
from tidemill_runtime.events import Event, new_event


def numbers(name: str, *values: float, width: int = 1) -> Column:
    return Column(name=name, numbers=Numbers(values=values, width=width))


def texts(name: str, *values: str) -> Column:
    return Column(name=name, texts=Texts(values=values))


def asked(*inputs: Column, model: str = "flights", time: str = "") -> Event[PredictionRequest]:
    request = PredictionRequest(model=model, inputs=inputs)
    if time:
        request.event_time.FromJsonString(time)
    return new_event("test", model, request)


def logged_rows(running: RunningGateway) -> dict[str, float]:
    """P(1) by prediction id."""
    return {
        prediction_id: batch.outputs[1].numbers.values[2 * row + 1]
        for batch in running.logged()
        for row, prediction_id in enumerate(batch.prediction_ids)
    }


async def test_rows_are_predicted_under_the_events_id(running: RunningGateway) -> None:
    await running.serve(bias=-2.0)
    event = asked(
        numbers("distance", 1000, float("nan"), 3000), texts("carrier", "UA", "", "B6"), time="2013-03-01T12:00:00Z"
    )
    await running.gateway.scoring.on_request(event)
    assert logged_rows(running) == {
        f"{event.id}:0": pytest.approx(probability(-2, 1000, None, "UA")),
        f"{event.id}:1": pytest.approx(probability(-2, None, None, "")),
        f"{event.id}:2": pytest.approx(probability(-2, 3000, None, "B6")),
    }
    assert {moment for batch in running.logged() for moment in batch.event_times} == {1362139200000000}
    assert counted("requests_total", model="flights", version="1", protocol="kafka", code="200") == 1


async def test_one_row_has_the_events_id(running: RunningGateway) -> None:
    await running.serve()
    event = asked(numbers("distance", 1000))
    await running.gateway.scoring.on_request(event)
    assert list(logged_rows(running)) == [event.id]


async def test_a_request_that_comes_again_has_the_same_ids(running: RunningGateway) -> None:
    await running.serve()
    event = asked(numbers("distance", 1000, 2000))
    for _ in range(2):
        await running.gateway.scoring.on_request(event)
    ids = [prediction_id for batch in running.logged() for prediction_id in batch.prediction_ids]
    assert sorted(ids) == [f"{event.id}:0"] * 2 + [f"{event.id}:1"] * 2


async def test_what_is_asked_for_here_is_logged_whatever_share_is(running: RunningGateway) -> None:
    await serve_as(running, log={"sample": 0.0})
    event = asked(numbers("distance", 1000))
    await running.gateway.scoring.on_request(event)
    assert list(logged_rows(running)) == [event.id]


@pytest.mark.parametrize(
    ("event", "kind", "words"),
    [
        (asked(numbers("distance", 1), model="unknown"), NotFound, "unknown"),
        (asked(numbers("speed", 1)), InvalidInput, "speed"),
        (asked(), InvalidInput, "shape"),
        (asked(texts("distance", "far")), InvalidInput, "distance"),
        (asked(numbers("carrier", 1)), InvalidInput, "carrier"),
        (asked(numbers("distance", 1, 2), texts("carrier", "UA")), InvalidInput, "carrier"),
        (asked(numbers("distance", 1, 2, width=2)), InvalidInput, "distance"),
        (asked(numbers("distance", 1e39)), InvalidInput, "infinite"),
        (asked(numbers("distance", *range(1025))), TooLarge, "1024"),
    ],
)
async def test_what_cannot_be_answered_is_refused(
    running: RunningGateway, event: Event[PredictionRequest], kind: type[TidemillError], words: str
) -> None:
    await running.serve()
    with pytest.raises(kind, match=words):
        await running.gateway.scoring.on_request(event)
    await running.gateway.log.flush()
    assert running.logged() == []


async def test_a_missing_value_is_refused_by_a_model_that_takes_none(running: RunningGateway) -> None:
    await serve_as(running, missing="refuse")
    with pytest.raises(InvalidInput, match="missing"):
        await running.gateway.scoring.on_request(asked(numbers("distance", 1)))


async def test_a_model_server_that_is_away_leaves_the_request_to_be_tried_again(running: RunningGateway) -> None:
    await running.serve()
    running.triton.fail(grpc.StatusCode.UNAVAILABLE, times=2)
    event = asked(numbers("distance", 1000))
    with pytest.raises(Unavailable):
        await running.gateway.scoring.on_request(event)
    await running.gateway.scoring.on_request(event)
    assert event.id in {row for batch in running.logged() if not batch.error for row in batch.prediction_ids}


async def test_a_request_is_not_done_before_the_brokers_have_its_predictions(running: RunningGateway) -> None:
    await running.serve()
    running.producer.available = False
    event = asked(numbers("distance", 1000))
    with pytest.raises(Unavailable):
        await running.gateway.scoring.on_request(event)
    running.producer.available = True
    await running.gateway.scoring.on_request(event)
    assert event.id in logged_rows(running)


async def test_predictions_asked_for_on_the_topic_are_kept_however_many_wait(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, log_queue_rows=2) as running:
        await running.serve()
        event = asked(numbers("distance", 1, 2, 3))
        await running.gateway.scoring.on_request(event)
        assert {f"{event.id}:{row}" for row in range(3)} <= set(logged_rows(running))


@pytest.mark.parametrize(
    ("datatype", "value"), [("INT8", 200.0), ("INT64", 1e20), ("UINT8", -1.0), ("INT32", float("inf"))]
)
def test_a_whole_number_that_its_datatype_does_not_hold_is_refused(datatype: str, value: float) -> None:
    with pytest.raises(InvalidInput, match="'x'"):
        tensor_of(TensorSpec(name="x", datatype=datatype, shape=(-1, 1)), numbers("x", value), 1)


def test_numbers_are_given_as_bf16_too() -> None:
    tensor = tensor_of(TensorSpec(name="x", datatype="BF16", shape=(-1, 1)), numbers("x", 1.5, float("nan")), 2)
    assert to_numbers(tensor)[0] == 1.5
    assert math.isnan(to_numbers(tensor)[1])
