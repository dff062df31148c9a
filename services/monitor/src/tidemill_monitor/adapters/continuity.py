"""Messages of a partition come one after the other, or are asked for again.

About a rebalance, faust and the thread of its consumer may drop messages that were fetched and give later ones, so that
the rows of the others would be late. Therefore the offsets decide which message is taken.
"""

from collections.abc import Hashable, Mapping
from typing import Final, Generic, TypeVar

PATIENCE_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 1.0

Source = TypeVar("Source", bound=Hashable)


class Continuity(Generic[Source]):
    """Where each source (a topic's partition) is read next, from `following` on.

    Offsets may be missing in a partition, as a transaction's marks are: a message after a gap is taken when it comes
    first again after the gap was asked for.
    """

    def __init__(self, following: Mapping[Source, int]) -> None:
        self._following = dict(following)
        self._beyond: dict[Source, int] = {}
        self._asked: dict[Source, tuple[int, float]] = {}
        self._moved: dict[Source, float] = {}

    def takes(self, source: Source, offset: int) -> bool:
        """Whether a message is the next one of its source; not if it comes again, or if others must come before."""
        expected = self._following.get(source, offset)
        if offset > expected and self._asked.get(source, (None, 0.0))[0] != offset:
            self._beyond.setdefault(source, offset)
            return False
        if offset < expected:
            return False
        self._following[source] = offset + 1
        self._moved.pop(source, None)
        self._beyond.pop(source, None)
        self._asked.pop(source, None)
        return True

    def to_read_again(self, ends: Mapping[Source, int], now: float) -> dict[Source, int]:
        """Sources to be read again and from where: after a gap, or where messages before `ends` have not come for long.

        `now`: seconds of a clock that goes on, at which this is asked, about every second.
        """
        found: dict[Source, int] = {}
        for source, following in self._following.items():
            since = self._moved.setdefault(source, now)
            if ends.get(source, following) <= following:
                self._moved[source] = now
            beyond, asked = self._beyond.get(source), self._asked.get(source)
            stuck = now - since >= PATIENCE_SECONDS and self._moved[source] == since
            if (beyond is not None or stuck) and (asked is None or now - asked[1] >= PAUSE_SECONDS):
                found[source] = following
                self._asked[source] = (-1 if beyond is None else beyond), now
                self._beyond.pop(source, None)
                self._moved[source] = now
        return found
