"""Remembers the newest identifiers, so that repeats are seen."""

from collections.abc import Iterable


class RecentIds:
    """The last `capacity` distinct ids."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._ids: dict[str, None] = {}

    def add(self, identifier: str) -> bool:
        """Remember an id; False if it is a repeat."""
        if identifier in self._ids:
            return False
        self._ids[identifier] = None
        if len(self._ids) > self._capacity:
            del self._ids[next(iter(self._ids))]
        return True

    def replace(self, identifiers: Iterable[str]) -> None:
        """Forget everything and remember these, oldest first."""
        self._ids.clear()
        for identifier in identifiers:
            self.add(identifier)

    def forget(self, identifiers: Iterable[str]) -> None:
        """Forget ids whose records were not stored after all."""
        for identifier in identifiers:
            self._ids.pop(identifier, None)
