import pytest
from tidemill.v1.prediction_pb2 import GroundTruth
from tidemill_runtime.errors import Unavailable
from tidemill_runtime.events import decode, new_event
from tidemill_runtime.testing import FakeProducer, Sent


async def test_it_keeps_events_as_kafka_would_get_them():
    producer = FakeProducer()
    event = new_event("gateway", "p-1", GroundTruth(prediction_id="p-1", label=1))

    await producer.send("ground-truth", event, partition=2)

    [sent] = producer.sent
    assert (sent.topic, sent.partition) == ("ground-truth", 2)
    assert decode(sent.value, sent.headers, GroundTruth, position="", key=sent.key) == event
    assert producer.events == [("ground-truth", event)]


async def test_it_keeps_raw_messages_in_order():
    producer = FakeProducer(partition_count=7)

    await producer.send_many("records.rides", [(b"a", b"1"), (None, b"2")])

    assert producer.sent == [
        Sent("records.rides", b"a", b"1", (), None),
        Sent("records.rides", None, b"2", (), None),
    ]
    assert await producer.partitions("records.rides") == 7


async def test_it_fails_like_kafka_while_unavailable():
    producer = FakeProducer()
    producer.available = False

    with pytest.raises(Unavailable):
        await producer.send("ground-truth", new_event("gateway", "p-1", GroundTruth()))

    assert producer.sent == []
    assert producer.events == []
