"""How long-running work tells what it does."""

from typing import Protocol


class Progress(Protocol):
    """Told of each step: `subject` is a process or a download, `state` what happens to it."""

    def __call__(self, subject: str, state: str) -> None: ...


def silent(subject: str, state: str) -> None:
    """Tell nobody."""
