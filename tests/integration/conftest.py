"""Topics, settings and a schema of a test's own on the running Kafka and PostgreSQL."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from bus_reading import Message, read_all
from tidemill_local import topics
from tidemill_local.stack import Stack
from tidemill_registry.app import MIGRATIONS
from tidemill_registry.settings import RegistrySettings
from tidemill_runtime.bus import Producer
from tidemill_runtime.database import Database

MakeTopic = Callable[..., Awaitable[str]]
Read = Callable[[str], Awaitable[list[Message]]]


@pytest.fixture
def settings(infrastructure: Stack, monkeypatch: pytest.MonkeyPatch) -> RegistrySettings:
    """A service's settings, as the stack gives them."""
    for name, value in infrastructure.environment("registry").items():
        if name.startswith("TIDEMILL_"):
            monkeypatch.setenv(name, value)
    return RegistrySettings()


@pytest.fixture
def make_topic(infrastructure: Stack) -> MakeTopic:
    """Makes a new topic and its `.dlq`."""

    async def make(partitions: int = 1, **config: str) -> str:
        name = f"test-{uuid.uuid4().hex}"
        declared = [topics.Topic(name, partitions, config), topics.Topic(f"{name}.dlq", 1, config)]
        await topics.apply(infrastructure.bootstrap, declared)
        return name

    return make


@pytest.fixture
async def topic(make_topic: MakeTopic) -> str:
    """A new topic of one partition, and its `.dlq`."""
    return await make_topic()


@pytest.fixture
def read(infrastructure: Stack) -> Read:
    """Reads everything that is in a topic."""

    async def read_topic(topic: str) -> list[Message]:
        return await read_all(infrastructure.bootstrap, topic)

    return read_topic


@pytest.fixture
async def producer(settings: RegistrySettings) -> AsyncIterator[Producer]:
    producer = Producer(settings, "test")
    await producer.start()
    yield producer
    await producer.stop()


@pytest.fixture
async def database(settings: RegistrySettings) -> AsyncIterator[Database]:
    """The registry's tables in a schema of their own."""
    database = Database(settings, f"test_{uuid.uuid4().hex}", MIGRATIONS)
    await database.start()
    yield database
    await database.stop()
