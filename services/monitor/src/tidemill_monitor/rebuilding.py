"""Recomputes panes from the messages they were made of, and compares them with what the first stage has told."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tidemill.v1.monitoring_pb2 import PanePartial

from tidemill_monitor.domain.lenses import Lenses
from tidemill_monitor.domain.partition import EARLY_LIMIT, Partition
from tidemill_monitor.domain.watched import Catalogue
from tidemill_monitor.taking import Item, Refused, take

PaneId = tuple[str, int, bool, int, int, int]


def pane_id(partial: PanePartial) -> PaneId:
    """What a partial is of: model, version, role, partition, start and length of its pane."""
    return partial.model, partial.version, partial.mirror, partial.partition, partial.start, partial.length


def newest(partials: Iterable[PanePartial]) -> dict[PaneId, PanePartial]:
    """The last state told of each pane, from partials in the order they were told."""
    found: dict[PaneId, PanePartial] = {}
    for partial in partials:
        known = found.get(pane_id(partial))
        if known is None or known.offset <= partial.offset:
            found[pane_id(partial)] = partial
    return found


class Rebuild:
    """The panes of one partition, from its messages in the order Kafka got them."""

    def __init__(self, number: int, catalogue: Catalogue, lenses: Lenses | None = None) -> None:
        self._partition = Partition(number, catalogue, EARLY_LIMIT, lenses)
        self.panes: dict[PaneId, PanePartial] = {}
        self.refused: list[Refused] = []

    def take(self, items: Sequence[Item]) -> None:
        """Take in the next messages, of both topics."""
        self.refused += take({self._partition.number: self._partition}, items)
        self._settle()

    def finish(self) -> Mapping[PaneId, PanePartial]:
        """The panes, as they stand when everything was read."""
        self._settle()
        return self.panes

    def _settle(self) -> None:
        self._partition.expire()
        self._partition.take_changes()
        self.panes.update(newest(self._partition.take_partials()))


@dataclass(frozen=True)
class Comparison:
    """Panes that are equal, that differ, that were told and not rebuilt, and that were rebuilt and not told."""

    equal: Sequence[PaneId]
    different: Sequence[PaneId]
    only_told: Sequence[PaneId]
    only_rebuilt: Sequence[PaneId]

    @property
    def is_same(self) -> bool:
        return not (self.different or self.only_told or self.only_rebuilt)


def compare(rebuilt: Mapping[PaneId, PanePartial], told: Mapping[PaneId, PanePartial]) -> Comparison:
    """Compare panes, all but what depends on when they were told: see `said`."""
    both = sorted(rebuilt.keys() & told.keys())
    equal = [one for one in both if said(rebuilt[one]) == said(told[one])]
    return Comparison(
        equal=equal,
        different=sorted(set(both) - set(equal)),
        only_told=sorted(told.keys() - rebuilt.keys()),
        only_rebuilt=sorted(rebuilt.keys() - told.keys()),
    )


def digest(panes: Mapping[PaneId, PanePartial]) -> str:
    """SHA-256 of what panes say whenever they are told, as hexadecimal digits."""
    found = hashlib.sha256()
    for one in sorted(panes):
        found.update(hashlib.sha256(said(panes[one])).digest())
    return found.hexdigest()


def said(partial: PanePartial) -> bytes:
    """What a partial says of its pane: the same bytes for the same state, whenever it is told.

    Without its watermark, and without what is told only while a release is under way.
    """
    copy = PanePartial()
    copy.CopyFrom(partial)
    for name in ("watermark", "epochs", "shadow"):
        copy.ClearField(name)
    return copy.SerializeToString(deterministic=True)
