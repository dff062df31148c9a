"""Ends the process when the brokers are gone: faust would wait for them, and stay broken when they are back."""

import asyncio
import contextlib
import time

from tidemill_runtime.errors import Unavailable

INTERVAL_SECONDS = 2.0


class BrokerWatch:
    """Fails when no bootstrap broker has taken a connection for `patience_seconds`."""

    def __init__(self, bootstrap: str, patience_seconds: float) -> None:
        self._addresses = [address.rsplit(":", 1) for address in bootstrap.split(",")]
        self._patience_seconds = patience_seconds

    async def run(self) -> None:
        """Watch until cancelled. Raises Unavailable."""
        seen = time.monotonic()
        while True:
            if await self._any_answers():
                seen = time.monotonic()
            elif time.monotonic() - seen > self._patience_seconds:
                raise Unavailable(f"Kafka: no broker for {self._patience_seconds:g} s")
            await asyncio.sleep(INTERVAL_SECONDS)

    async def _any_answers(self) -> bool:
        for host, port in self._addresses:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(INTERVAL_SECONDS):
                    _, writer = await asyncio.open_connection(host, int(port))
                    writer.close()
                    return True
        return False
