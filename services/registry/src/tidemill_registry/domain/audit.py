"""The audit's hash chain: an entry's hash covers the one before it, so that nothing is changed or removed unseen."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

GENESIS = "0" * 64


@dataclass(frozen=True)
class Entry:
    """Who did what to which model, and why. `at` is ISO 8601, UTC."""

    sequence: int
    at: str
    actor: str
    action: str
    model: str
    version: int
    reason: str
    details: Mapping[str, Any]


def chain_hash(previous: str, entry: Entry) -> str:
    """SHA-256, hex, of the previous hash and the entry as canonical JSON."""
    canonical = json.dumps(entry.__dict__, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(f"{previous}{canonical}".encode()).hexdigest()


def first_broken(entries: Iterable[tuple[Entry, str]]) -> int | None:
    """Sequence of the first entry that does not fit the chain; None if all do. Entries in order, each with its hash."""
    previous = GENESIS
    for expected, (entry, found) in enumerate(entries, start=1):
        if entry.sequence != expected or chain_hash(previous, entry) != found:
            return expected
        previous = found
    return None
