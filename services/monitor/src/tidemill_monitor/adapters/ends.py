"""Where topics end, asked over a connection of its own."""

from collections.abc import Sequence
from typing import Any

from faust.types import TP
from tidemill_runtime import kafka, logs
from tidemill_runtime.errors import Unavailable
from tidemill_runtime.settings import ServiceSettings

ENDS_SECONDS = 5.0

log = logs.get_logger(__name__)


class Ends:
    """Asks the brokers for the ends of partitions: nothing else uses its connection, so the answer does not wait."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._client: Any = None

    async def start(self) -> None:
        """Raises Unavailable when Kafka does not answer."""
        self._client = await kafka.open_consumer(self._settings, None, "monitor-ends")

    async def stop(self) -> None:
        if self._client is not None:
            await kafka.close(self._client)

    async def of(self, sources: Sequence[TP]) -> dict[TP, int]:
        """Offset after the last message of each; empty while the brokers do not say."""
        if not sources:
            return {}
        try:
            found = await kafka.call(self._client.end_offsets(sources), "the ends of topics", ENDS_SECONDS)
        except Unavailable as error:
            log.warning("the ends of the topics are not known", error=str(error))
            return {}
        return {TP(*source): end for source, end in found.items()}
