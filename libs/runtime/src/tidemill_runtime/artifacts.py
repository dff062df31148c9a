"""Content-addressed artifact store: `sha256/<digest>` in a local directory or an object store.

Clients never name a path; a digest is verified on every read.
"""

import hashlib
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from obstore.exceptions import AlreadyExistsError, GenericError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from tidemill_runtime.errors import CorruptArtifact, InvalidInput, NotFound, TooLarge, Unavailable

MAX_ARTIFACT_BYTES = 2 << 30
_DIGEST = re.compile(r"[0-9a-f]{64}")


class ArtifactStore:
    """Artifacts in `url`: `file:///…`, `s3://…` or `memory:///`, the official fake."""

    def __init__(self, url: str) -> None:
        self._store = _open(url)

    async def put(self, data: bytes) -> str:
        """Store `data`, once; its SHA-256 in hex. Raises Unavailable."""
        digest = hashlib.sha256(data).hexdigest()
        try:
            await self._store.put_async(_key(digest), data, mode="create")
        except (AlreadyExistsError, FileExistsError):
            await self._replace_if_corrupt(digest, data)
        except GenericError as error:
            raise Unavailable(f"the artifact store does not take artifact {digest}: {error}") from error
        return digest

    async def get(self, digest: str, max_bytes: int = MAX_ARTIFACT_BYTES) -> bytes:
        """The bytes of `digest`. Raises NotFound, TooLarge, CorruptArtifact, Unavailable, or InvalidInput."""
        try:
            result = await self._store.get_async(_key(digest))
            if result.meta["size"] > max_bytes:
                raise TooLarge(f"artifact {digest} has {result.meta['size']} bytes, more than {max_bytes}")
            data = bytes(await result.bytes_async())
        except FileNotFoundError as error:
            raise NotFound(f"no artifact {digest}") from error
        except GenericError as error:
            raise Unavailable(f"the artifact store does not give artifact {digest}: {error}") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise CorruptArtifact(f"artifact {digest} has other bytes than its digest says; restore it from a backup")
        return data

    async def _replace_if_corrupt(self, digest: str, data: bytes) -> None:
        try:
            await self.get(digest)
        except CorruptArtifact:
            await self._store.put_async(_key(digest), data, mode="overwrite")


def _key(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise InvalidInput(f"{digest!r} is not a SHA-256 in hex")
    return f"sha256/{digest}"


def _open(url: str) -> ObjectStore:
    if url.startswith("memory:"):
        return MemoryStore()
    if url.startswith("file:"):
        return LocalStore(prefix=Path(unquote(urlsplit(url).path)), mkdir=True)
    return from_url(url)
