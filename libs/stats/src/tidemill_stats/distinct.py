"""How many distinct values a column has: a HyperLogLog sketch."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from tidemill_stats.arrays import BoolArray, ByteArray, HashArray, SingleArray, trusted
from tidemill_stats.errors import InvalidInput

REGISTERS = 256
_INDEX_BITS = 8
_HIGHEST_RANK = 64 - _INDEX_BITS + 1
_BIAS = 0.7213 / (1 + 1.079 / REGISTERS)


@dataclass(frozen=True, eq=False)
class DistinctSketch:
    """256 HyperLogLog registers, uint8 of shape [256], each 0..57; the standard error of `estimate` is 6.5 %.

    A register is the longest run of zeros, plus one, at the end of the 64-bit hashes that belong to it. Raises
    InvalidInput for other shapes and ranges. Source: Flajolet, Fusy, Gandouet & Meunier (2007), "HyperLogLog: the
    analysis of a near-optimal cardinality estimation algorithm", AofA 2007.
    """

    registers: ByteArray

    def __post_init__(self) -> None:
        registers = np.array(self.registers, dtype=np.uint8)
        if registers.shape != (REGISTERS,) or registers.max() > _HIGHEST_RANK:
            raise InvalidInput(f"a distinct sketch has {REGISTERS} registers of at most {_HIGHEST_RANK}")
        registers.setflags(write=False)
        object.__setattr__(self, "registers", registers)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DistinctSketch) and np.array_equal(self.registers, other.registers)

    @staticmethod
    def of_numbers(values: npt.ArrayLike) -> "DistinctSketch":
        """Sketch of the finite `values`, shape [n], as float32."""
        matrix = np.atleast_2d(np.asarray(values, dtype=np.float32))
        return row_sketches(matrix, np.isfinite(matrix))[0]

    @staticmethod
    def of_texts(values: Iterable[str]) -> "DistinctSketch":
        """Sketch of texts."""
        return of_hashes(text_hashes(values))

    @staticmethod
    def merge_all(parts: Sequence["DistinctSketch"]) -> "DistinctSketch":
        """Sketch of the values of all `parts`, at least one: associative, commutative and idempotent, exactly."""
        registers = parts[0].registers
        for part in parts[1:]:
            registers = np.maximum(registers, part.registers)
        return _trusted(registers)

    def merge(self, other: "DistinctSketch") -> "DistinctSketch":
        """Sketch of the values of both, as `merge_all`."""
        return DistinctSketch.merge_all((self, other))

    @property
    def estimate(self) -> float:
        """Distinct values, about; few by linear counting (Whang, Vander-Zanden & Taylor 1990, ACM TODS 15(2))."""
        raw = _BIAS * REGISTERS**2 / float(np.sum(np.exp2(-self.registers.astype(np.float64))))
        unused = REGISTERS - int(np.count_nonzero(self.registers))
        if raw <= 2.5 * REGISTERS and unused:
            return REGISTERS * math.log(REGISTERS / unused)
        return raw


def row_sketches(values: SingleArray, some: BoolArray) -> list[DistinctSketch]:
    """A sketch of each row of `values`, shape [rows, n], over the cells where `some`; -0 is 0.

    Values are hashed by the finaliser of splitmix64: Steele, Lea & Flood (2014), "Fast splittable pseudorandom number
    generators", OOPSLA.
    """
    hashes = (values + np.float32(0)).view(np.uint32).astype(np.uint64)
    hashes += np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        hashes ^= hashes >> np.uint64(shift)
        hashes *= np.uint64(factor)
    hashes ^= hashes >> np.uint64(31)
    ranks = _ranks(hashes)
    if not some.all():
        ranks[~some] = 0
    cells = (hashes >> np.uint64(64 - _INDEX_BITS)).view(np.int64)
    cells += np.arange(len(values))[:, np.newaxis] * REGISTERS
    registers = _longest(cells.ravel(), ranks.ravel(), len(values) * REGISTERS)
    return [_trusted(row) for row in registers.reshape(-1, REGISTERS)]


def text_hashes(values: Iterable[str]) -> HashArray:
    """64 bits of BLAKE2b (RFC 7693) of each text, shape [n]."""
    digests = b"".join([blake2b(value.encode("utf-8", "replace"), digest_size=8).digest() for value in values])
    return np.frombuffer(digests, dtype="<u8")


def of_hashes(hashes: HashArray) -> DistinctSketch:
    """Sketch of values by their hashes, shape [n]."""
    cells = (hashes >> np.uint64(64 - _INDEX_BITS)).view(np.int64)
    return _trusted(_longest(cells, _ranks(hashes), REGISTERS))


def _ranks(hashes: HashArray) -> ByteArray:
    """Trailing zeros plus one, at most 57: the exponent of the lowest set bit as a float64, exactly."""
    lowest = hashes | np.uint64(1 << (_HIGHEST_RANK - 1))
    lowest &= ~lowest + np.uint64(1)
    exponents = lowest.astype(np.float64).view(np.uint64) >> np.uint64(52)
    return (exponents - np.uint64(1022)).astype(np.uint8)


def _longest(cells: npt.NDArray[np.int64], ranks: ByteArray, size: int) -> ByteArray:
    registers = np.zeros(size, dtype=np.uint8)
    np.maximum.at(registers, cells, ranks)
    return registers


def _trusted(registers: ByteArray) -> DistinctSketch:
    registers.setflags(write=False)
    return trusted(DistinctSketch, registers=registers)
