"""What a notifier is."""

from typing import Protocol

from tidemill_monitor.notify.notice import Notice


class Notifier(Protocol):
    """A way to reach people."""

    async def send(self, notice: Notice, delivery: str) -> None:
        """Returns when the other side has taken it.

        `delivery` is the same for each attempt at one delivery, so that the other side can drop a repetition. Raises
        Unavailable when another attempt may succeed, InvalidInput when the other side refuses it for good.
        """

    async def close(self) -> None:
        """Let go of what it holds."""
