"""Events are CloudEvents 1.0 in Kafka's binary mode."""

import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span
from tidemill.v1.model_pb2 import Route
from tidemill.v1.prediction_pb2 import GroundTruth
from tidemill_runtime.errors import InvalidInput
from tidemill_runtime.events import Event, decode, derived_id, headers_of, new_event
from tidemill_runtime.tracing import current_traceparent, span

POSITION = "ground-truth/2/17"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRUTH = GroundTruth(prediction_id="p-1", pipeline="rides", label=1)
TEXT = st.text(st.characters(codec="utf-8", min_codepoint=1), min_size=1)
ZONES = st.integers(-12, 12).map(lambda hours: timezone(timedelta(hours=hours)))


def sent_and_received(event: Event[GroundTruth]) -> Event[GroundTruth]:
    value, key = event.data.SerializeToString(), event.subject.encode()
    return decode(value, headers_of(event), GroundTruth, position=POSITION, key=key)


@given(
    subject=TEXT,
    identifier=TEXT,
    time=st.datetimes(timezones=ZONES),
    data=st.builds(GroundTruth, prediction_id=TEXT, label=st.floats(allow_nan=False)),
)
def test_an_event_arrives_as_it_was_sent(subject: str, identifier: str, time: datetime, data: GroundTruth):
    event = new_event("gateway", subject, data, id=identifier, time=time)

    assert sent_and_received(event) == event


def test_the_headers_are_those_of_cloudevents():
    event = new_event("gateway", "p-1", TRUTH, id="e-1", time=datetime(2013, 1, 2, 3, tzinfo=UTC))

    assert dict(headers_of(event)) == {
        "ce_specversion": b"1.0",
        "ce_id": b"e-1",
        "ce_type": b"tidemill.v1.GroundTruth",
        "ce_source": b"tidemill/gateway",
        "ce_subject": b"p-1",
        "ce_time": b"2013-01-02T03:00:00+00:00",
        "content-type": b"application/protobuf",
    }


def test_a_new_event_has_an_id_of_its_own_and_is_of_now():
    before = datetime.now(UTC)
    first, second = (new_event("gateway", "p-1", TRUTH) for _ in range(2))

    assert first.id != second.id
    assert before <= first.time <= datetime.now(UTC)


def test_an_event_carries_the_trace_it_was_made_on():
    trace = SpanContext(int(TRACEPARENT[3:35], 16), int(TRACEPARENT[36:52], 16), True, TraceFlags(1))
    with use_span(NonRecordingSpan(trace)):
        event = new_event("gateway", "p-1", TRUTH)

    assert event.traceparent == TRACEPARENT
    assert sent_and_received(event).traceparent == TRACEPARENT


def test_a_span_goes_on_the_trace_of_the_event():
    with span("handle", TRACEPARENT):
        continued = current_traceparent()

    assert continued is not None
    assert continued.split("-")[1] == TRACEPARENT.split("-")[1]


def test_outside_a_trace_there_is_no_traceparent():
    assert new_event("gateway", "p-1", TRUTH).traceparent is None


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_the_json_form_is_taken(content_type: str):
    value = json_format.MessageToJson(TRUTH).encode()

    event = decode(value, [("content-type", content_type.encode())], GroundTruth, position=POSITION, key=b"p-1")

    assert event.data == TRUTH


def test_a_missing_envelope_is_made_up_the_same_each_time():
    first, second = (decode(b"", [], GroundTruth, position=POSITION, key=b"p-1") for _ in range(2))
    elsewhere = decode(b"", [], GroundTruth, position="ground-truth/2/18", key=b"p-1")

    assert first.id == second.id != elsewhere.id
    assert (first.subject, first.type, first.source) == ("p-1", "tidemill.v1.GroundTruth", "unknown")


@pytest.mark.parametrize("time", [b"2013-01-02T03:00:00", b"2013-01-02T03:00:00Z", b"2013-01-02T05:00:00+02:00"])
def test_the_time_is_always_in_a_time_zone(time: bytes):
    event = decode(b"", [("ce_time", time)], GroundTruth, position=POSITION, key=None)

    assert event.time == datetime(2013, 1, 2, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (b"\xff\xff\xff", []),
        (b"{", [("content-type", b"application/json")]),
        (b"\xff", [("content-type", b"application/json")]),
        (b'{"surprise": 1}', [("content-type", b"application/json")]),
        (b'{"label": "high"}', [("content-type", b"application/json")]),
        (b'{"a":' * 5000, [("content-type", b"application/json")]),
    ],
    ids=["not protobuf", "not JSON", "not UTF-8", "unknown field", "wrong type", "too deep"],
)
def test_what_is_not_the_event_is_invalid_input(value: bytes, headers: list[tuple[str, bytes]]):
    with pytest.raises(InvalidInput, match=r"not a tidemill\.v1\.GroundTruth as application/"):
        decode(value, headers, GroundTruth, position=POSITION, key=None)


def test_an_event_of_another_type_is_invalid_input():
    event = new_event("registry", "rides", Route(model="rides"))

    with pytest.raises(InvalidInput, match=r"type tidemill\.v1\.Route where tidemill\.v1\.GroundTruth is expected"):
        decode(event.data.SerializeToString(), headers_of(event), GroundTruth, position=POSITION, key=b"rides")


def test_headers_without_a_value_and_in_capitals_are_read():
    headers = [("CE_ID", b"e-1"), ("empty", None)]

    assert decode(b"", headers, GroundTruth, position=POSITION, key=None).id == "e-1"


@given(st.lists(st.one_of(TEXT.filter(lambda text: "/" not in text), st.integers()), min_size=1))
def test_a_derived_id_is_a_uuid5_of_its_parts(parts: list[str | int]):
    assert derived_id(*parts) == derived_id(*parts)
    assert uuid.UUID(derived_id(*parts)).version == 5
    assert derived_id(*parts) != derived_id(*parts, "more")


def test_derived_ids_never_change_between_releases():
    assert derived_id("model-approved", "flights", 3) == "05896936-b05b-51f2-b39e-d154ea7fc6cd"
