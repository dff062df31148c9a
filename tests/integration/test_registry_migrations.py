"""The registry's migrations on a real PostgreSQL that has rows of the past."""

import uuid

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from tidemill.v1.profile_pb2 import ColumnProfile, DataProfile
from tidemill.v1.reference_pb2 import Reference
from tidemill_registry.app import MIGRATIONS
from tidemill_registry.settings import RegistrySettings
from tidemill_runtime.database import Database

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]
OLD_VERSION = """
INSERT INTO versions (model, version, run_id, state, artifact_digest, candidate, algorithm, metrics, training, findings,
    training_profile, reason, decided_by, created_at)
VALUES ('rides', 1, 'run', 'approved', '', '', '', '{}', '{}', '[]', :profile, '', '', now())
"""


async def test_the_profile_that_a_version_had_becomes_a_part_of_its_reference(settings: RegistrySettings):
    schema = f"test_{uuid.uuid4().hex}"
    profile = DataProfile(rows=1000, columns=[ColumnProfile(name="distance", missing=3)])
    engine = create_async_engine(
        Database(settings, schema, MIGRATIONS).url, connect_args={"server_settings": {"search_path": schema}}
    )
    try:
        async with engine.begin() as connection:
            await connection.execute(text(f'CREATE SCHEMA "{schema}"'))
            await connection.run_sync(_upgrade, schema, "0001")
            await connection.execute(text("INSERT INTO models VALUES ('rides', 'rides', 1)"))
            await connection.execute(text(OLD_VERSION), {"profile": profile.SerializeToString()})
            await connection.run_sync(_upgrade, schema, "head")
            stored = (await connection.execute(text("SELECT reference FROM versions"))).scalar_one()
    finally:
        await engine.dispose()

    assert Reference.FromString(stored) == Reference(inputs=profile)


def _upgrade(connection: Connection, schema: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes.update(connection=connection, schema=schema)
    command.upgrade(config, revision)
