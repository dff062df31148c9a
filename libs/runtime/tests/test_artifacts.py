"""The artifact store, the same on a directory and in memory."""

import hashlib
import os
from pathlib import Path

import pytest
from tidemill_runtime.artifacts import ArtifactStore
from tidemill_runtime.errors import CorruptArtifact, InvalidInput, NotFound, TooLarge, Unavailable

DATA = b"weights"
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "the artifacts"


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, folder: Path) -> ArtifactStore:
    return ArtifactStore(folder.as_uri() if request.param == "file" else "memory:///")


async def test_bytes_come_back_by_their_digest(store: ArtifactStore):
    assert await store.put(DATA) == DIGEST
    assert await store.get(DIGEST) == DATA


async def test_storing_again_changes_nothing(store: ArtifactStore):
    assert await store.put(DATA) == await store.put(DATA)
    assert await store.get(DIGEST) == DATA


async def test_nothing_at_all_is_an_artifact_too(store: ArtifactStore):
    assert await store.get(await store.put(b"")) == b""


async def test_an_unknown_digest_is_not_found(store: ArtifactStore):
    with pytest.raises(NotFound, match=DIGEST):
        await store.get(DIGEST)


async def test_more_bytes_than_asked_for_are_refused(store: ArtifactStore):
    await store.put(DATA)

    assert await store.get(DIGEST, max_bytes=len(DATA)) == DATA
    with pytest.raises(TooLarge, match="7 bytes, more than 6"):
        await store.get(DIGEST, max_bytes=len(DATA) - 1)


@pytest.mark.parametrize("name", ["", "../secrets", DIGEST.upper(), DIGEST[:-1], f"{DIGEST}\n", f"../{DIGEST}"])
async def test_what_is_no_digest_never_becomes_a_path(store: ArtifactStore, name: str):
    with pytest.raises(InvalidInput, match="is not a SHA-256 in hex"):
        await store.get(name)


async def test_an_artifact_lies_under_its_digest_in_the_directory_of_the_url(folder: Path):
    await ArtifactStore(folder.as_uri()).put(DATA)

    assert os.listdir(folder) == ["sha256"]  # noqa: PTH208
    assert os.listdir(folder / "sha256") == [DIGEST]  # noqa: PTH208
    assert (folder / "sha256" / DIGEST).read_bytes() == DATA


async def test_a_changed_file_is_detected_and_storing_again_mends_it(folder: Path):
    store = ArtifactStore(folder.as_uri())
    await store.put(DATA)
    (folder / "sha256" / DIGEST).write_bytes(b"weighty")

    with pytest.raises(CorruptArtifact, match=DIGEST):
        await store.get(DIGEST)
    await store.put(DATA)

    assert await store.get(DIGEST) == DATA


async def test_a_store_that_fails_is_unavailable(folder: Path):
    store = ArtifactStore(folder.as_uri())
    (folder / "sha256").write_text("in the way")

    with pytest.raises(Unavailable, match="the artifact store does not take"):
        await store.put(DATA)
