"""A small sea to learn from: records, tides and truths of the `waves` pipeline, the same for the same number."""

import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2024, 5, 1, tzinfo=UTC)
INTERVAL = timedelta(seconds=20)
TIDE_EVERY = 30
HARBOURS = ("north", "south", "west")


@dataclass(frozen=True)
class Wave:
    """One record, what a client sends to have it predicted, and its truth."""

    record: dict[str, Any]
    level: float
    rough: int
    at: datetime

    @property
    def id(self) -> str:
        return str(self.record["id"])


def wave(number: int, *, storm: bool = False) -> Wave:
    """The `number`-th wave. In a storm waves are higher, and what was calm is rough: an old model is wrong."""
    draw = random.Random(number)
    at = START + number * INTERVAL
    harbour = draw.choice(HARBOURS)
    height = draw.gauss(9.0 if storm else 4.0, 1.0)
    wind = None if draw.random() < 0.1 else draw.uniform(0, 30)
    level = tide_level(number, harbour)
    push = (height - 4.0) * (-1.0 if storm else 1.0) + (5.0 if storm else 0.0) + (0.5 if harbour == "north" else 0.0)
    rough = int(draw.random() < 1 / (1 + math.exp(-2.5 * (push + 0.3 * level))))
    record = {"id": f"wave-{number}", "seen_at": at.isoformat(), "harbour": harbour, "height": max(0.0, height)}
    return Wave(record if wind is None else {**record, "wind": wind}, level, rough, at)


def tides(number: int) -> list[dict[str, Any]]:
    """The tides measured just before the `number`-th wave: one per harbour, or none."""
    if number % TIDE_EVERY:
        return []
    at = START + number * INTERVAL
    return [
        {
            "id": f"tide-{harbour}-{number}",
            "measured_at": at.isoformat(),
            "harbour": harbour,
            "level": tide_level(number, harbour),
        }
        for harbour in HARBOURS
    ]


def tide_level(number: int, harbour: str) -> float:
    """Level at a harbour as last measured, -1 to 1."""
    return round(math.sin(number // TIDE_EVERY * 0.3 + HARBOURS.index(harbour)), 3)
