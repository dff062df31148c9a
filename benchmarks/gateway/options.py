"""What the command was asked for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """`runs` of `seconds` for each figure; `requests` for the memory's course; `idle` connections held for `hold`
    seconds."""

    runs: int = 5
    seconds: float = 5.0
    requests: int = 10_000_000
    idle: int = 10_000
    hold: float = 10.0
