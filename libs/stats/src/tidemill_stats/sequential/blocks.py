"""What both arms gave in one block of time, as sums that add over partitions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Generic, Protocol, TypeVar

from tidemill_stats.errors import InvalidInput


class Sums(Protocol):
    """Anything that adds up over disjoint rows: an `int`, a `Proportion`, a `MeanEstimate`."""

    def __add__(self: "S", other: "S", /) -> "S": ...


S = TypeVar("S", bound=Sums)


@dataclass(frozen=True)
class Proportion:
    """`successes` among `rows`, 0 <= successes <= rows, else InvalidInput; `a + b` is of the rows of both."""

    successes: int = 0
    rows: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.successes <= self.rows:
            raise InvalidInput(f"need 0 <= successes <= rows, not {self.successes} of {self.rows}")

    def __add__(self, other: "Proportion") -> "Proportion":
        return Proportion(self.successes + other.successes, self.rows + other.rows)


@dataclass(frozen=True)
class Block(Generic[S]):
    """The sums of both arms over the same stretch of time; `a + b` is of the rows of both."""

    champion: S
    candidate: S

    def __add__(self, other: "Block[S]") -> "Block[S]":
        return Block(self.champion + other.champion, self.candidate + other.candidate)


def merge_blocks(parts: Iterable[Mapping[int, Block[S]]]) -> list[tuple[int, Block[S]]]:
    """The blocks of all partitions merged by key (a window's start or number), in increasing order of key.

    The tests of this package step once per merged block, in this order: their bets on a block come from the blocks
    before it, so sums may be merged within a block, never evidence across blocks. The result is the same to the last
    bit in whatever order the parts come. Rows that arrive after their block was stepped belong to the next one.
    """
    by_key: dict[int, list[Block[S]]] = {}
    for part in parts:
        for key, block in part.items():
            by_key.setdefault(key, []).append(block)
    return [(key, reduce(add, sorted(by_key[key], key=repr))) for key in sorted(by_key)]
