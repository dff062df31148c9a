"""The database when it is not there; the rest is in tests/integration."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from tidemill_runtime.database import Database
from tidemill_runtime.errors import Unavailable
from tidemill_runtime.settings import DatabaseSettings


@pytest.fixture
def database(free_port: int) -> Database:
    url = SecretStr(f"postgresql://tidemill:secret@127.0.0.1:{free_port}/tidemill")
    settings = DatabaseSettings(
        environment="local", kafka_bootstrap="-", http_port=1, pipelines=Path(), database_url=url
    )
    return Database(settings, "example", Path())


async def test_a_database_that_is_not_there_is_unavailable(database: Database):
    with pytest.raises(Unavailable, match="PostgreSQL does not answer"):
        await database.start()

    assert not await database.is_reachable()
    await database.stop()


async def test_a_database_that_is_not_started_is_unavailable(database: Database):
    assert not await database.is_reachable()
    with pytest.raises(Unavailable, match="not started"):
        async with database.transaction():
            pass
