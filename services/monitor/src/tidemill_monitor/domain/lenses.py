"""The lens of each watched version, made once."""

from functools import lru_cache

from tidemill_stats.errors import InvalidInput

from tidemill_monitor.domain.lens import Lens
from tidemill_monitor.domain.watched import Catalogue

KEPT = 64


class Lenses:
    """Lenses by model and version: `of` raises InvalidInput when it is not approved, or its model has no pipeline."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.of = lru_cache(KEPT)(self._make)

    def _make(self, model: str, version: int) -> Lens:
        watch, known = self._catalogue.watch(model), self._catalogue.version(model, version)
        if watch is None or known is None:
            raise InvalidInput(f"version {version} of model {model!r} is not approved, or has no pipeline")
        return Lens(watch, known)
