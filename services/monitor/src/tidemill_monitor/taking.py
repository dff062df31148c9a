"""Takes messages into their partitions together; one that cannot be used does not keep the others out."""

from collections.abc import Mapping, Sequence

from tidemill.v1.prediction_pb2 import GroundTruth, GroundTruthBatch, PredictionBatch
from tidemill_runtime import logs
from tidemill_runtime.errors import InvalidInput
from tidemill_stats.errors import StatsError

from tidemill_monitor.domain.partition import Partition
from tidemill_monitor.messages import Message

Item = tuple[Message, PredictionBatch | GroundTruth | GroundTruthBatch]
Refused = tuple[Message, Exception]

log = logs.get_logger(__name__)


def take(partitions: Mapping[int, Partition], items: Sequence[Item]) -> list[Refused]:
    """Take in messages of owned partitions, others are left alone; those that cannot be used, with the reason.

    If a partition's messages cannot be processed together for a reason that nobody foresaw, they are processed one by
    one, so that only those are refused that are at fault.
    """
    refused: list[Refused] = []
    by_partition: dict[int, list[Item]] = {}
    for item in items:
        if item[0].partition in partitions:
            by_partition.setdefault(item[0].partition, []).append(item)
    for number, mine in by_partition.items():
        owner = partitions[number]
        refused_here = [(item[0], error) for item in mine if (error := _add(owner, item)) is not None]
        try:
            owner.process()
        except Exception as error:
            log.exception("messages are processed one by one", partition=number, error=str(error))
            refused_here = [(item[0], fault) for item in mine if (fault := _take_one(owner, item)) is not None]
        refused += refused_here
    return refused


def _add(owner: Partition, item: Item) -> Exception | None:
    message, data = item
    try:
        if isinstance(data, PredictionBatch):
            owner.add_predictions(data, message.offset, message.received)
        else:
            owner.add_truths(data, message.offset, message.received)
    except StatsError as error:
        return InvalidInput(str(error))
    return None


def _take_one(owner: Partition, item: Item) -> Exception | None:
    error = _add(owner, item)
    if error is not None:
        return error
    try:
        owner.process()
    except Exception as fault:
        return fault
    return None
