"""Reads the parts of an artifact."""

from typing import TypeVar

from pydantic import ValidationError
from tidemill_contracts.manifest import Part
from tidemill_runtime.errors import CorruptArtifact

P = TypeVar("P", bound=Part)


def parse(kind: type[P], data: bytes, digest: str) -> P:
    """A part of the artifact `digest`; CorruptArtifact names what is wrong with it."""
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise CorruptArtifact(f"{kind.__name__.lower()} {digest}: {place or 'content'}: {first['msg']}") from error
