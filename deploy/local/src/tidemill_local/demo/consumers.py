"""Whether the loop's consumers keep up with the replay."""

import asyncio
from contextlib import suppress

from tidemill_local import offsets
from tidemill_local.errors import StackError

GROUPS = ("ingest", "tidemill-monitor")
LOOK_SECONDS = 0.5
WAIT_SECONDS = 60.0


class Consumers:
    """Looks at the lag of the groups that read what the replay writes, now and then, in the background."""

    def __init__(self, bootstrap: str, most_lag: int) -> None:
        self._bootstrap = bootstrap
        self._most_lag = most_lag
        self._near = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._near.set()
        self._task = asyncio.create_task(self._look())

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError, StackError):
                await self._task

    async def keep_up(self) -> None:
        """Wait until the lag is small; raises StackError if it stays large."""
        if self._task and self._task.done():
            self._task.result()
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._near.wait()
        except TimeoutError:
            raise StackError(
                f"The consumers stay more than {self._most_lag} messages behind.", "See ./tidemill status"
            ) from None

    async def done(self) -> None:
        """Wait until nothing is left to consume, but not for ever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                while await self._lag():
                    await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        while True:
            if await self._lag() > self._most_lag:
                self._near.clear()
            else:
                self._near.set()
            await asyncio.sleep(LOOK_SECONDS)

    async def _lag(self) -> int:
        lags = await offsets.lags(self._bootstrap)
        return max((lag.messages for lag in lags if lag.group in GROUPS), default=0)
