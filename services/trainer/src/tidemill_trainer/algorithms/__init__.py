"""Algorithms for pipelines whose training code does not bring its own: one function `build` in one file each."""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from tidemill_runtime.errors import InvalidInput

from tidemill_trainer.domain.signature import FeatureKind


def build(algorithm: str, hyperparameters: Mapping[str, Any], features: Mapping[str, FeatureKind], seed: int) -> Any:
    """The unfitted estimator of the file named `algorithm` here; InvalidInput lists those there are."""
    known = sorted(module.name for module in iter_modules(__path__) if module.name != "encoding")
    if algorithm not in known:
        raise InvalidInput(
            f"algorithm {algorithm!r} is not one of {', '.join(known)}, and the training code has no `build`"
        )
    return import_module(f"{__name__}.{algorithm}").build(hyperparameters, features, seed)
