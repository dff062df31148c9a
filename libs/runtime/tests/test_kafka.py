"""Closing a Kafka client ends, whatever the client does."""

import asyncio

import pytest
from tidemill_runtime import kafka
from tidemill_runtime.errors import Unavailable


class Client:
    """A Kafka client whose `stop` does what a test wants."""

    def __init__(self, error: BaseException | None = None, seconds: float = 0) -> None:
        self.error = error
        self.seconds = seconds

    async def stop(self) -> None:
        await asyncio.sleep(self.seconds)
        if self.error:
            raise self.error


@pytest.mark.parametrize("error", [None, asyncio.CancelledError(), OSError("gone"), Unavailable("gone")])
async def test_what_escapes_from_a_client_does_not_reach_who_closes_it(error: BaseException | None) -> None:
    await kafka.close(Client(error))


async def test_a_client_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "CLOSE_SECONDS", 0.05)
    async with asyncio.timeout(5):
        await kafka.close(Client(seconds=60))
