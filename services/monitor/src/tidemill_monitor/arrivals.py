"""Up to when the data versions that have arrived reach."""

from bisect import insort

from tidemill.v1.data_pb2 import DataArrived
from tidemill_runtime.events import Event

KEPT = 1000


class Arrivals:
    """Event times of the last row of each data version by pipeline; `on_arrived` handles `data-arrived`."""

    def __init__(self) -> None:
        self._until: dict[str, list[int]] = {}

    async def on_arrived(self, event: Event[DataArrived]) -> None:
        if event.data.HasField("to_time"):
            self.add(event.data.pipeline, event.data.to_time.ToMicroseconds())

    def add(self, pipeline: str, until: int) -> None:
        """Note that data up to `until`, microseconds since the epoch, is there."""
        known = self._until.setdefault(pipeline, [])
        if until not in known:
            insort(known, until)
            del known[:-KEPT]

    def of(self, pipeline: str) -> tuple[int, ...]:
        """The times noted, in increasing order."""
        return tuple(self._until.get(pipeline, ()))
