"""PostgreSQL through SQLModel and asyncpg; one schema per owning service, migrated by alembic at start."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from asyncpg.exceptions import DataError, OperatorInterventionError, PostgresConnectionError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from tidemill_runtime import logs
from tidemill_runtime.errors import InvalidInput, Unavailable
from tidemill_runtime.settings import DatabaseSettings

CONNECT_SECONDS = 10
STATEMENT_SECONDS = 30
MIGRATION_LOCK = 0x71DE

log = logs.get_logger(__name__)


class Database:
    """A pool of connections to one service's schema."""

    def __init__(self, settings: DatabaseSettings, schema: str, migrations: Path) -> None:
        self.schema = schema
        self.url = "postgresql+asyncpg://" + settings.database_url.get_secret_value().partition("://")[2]
        self._migrations = migrations
        self._engine: AsyncEngine | None = None

    async def start(self) -> None:
        """Connect and migrate; replicas that start together take turns."""
        self._engine = create_async_engine(
            self.url,
            pool_size=5,
            max_overflow=5,
            pool_pre_ping=True,
            pool_timeout=CONNECT_SECONDS,
            connect_args={
                "timeout": CONNECT_SECONDS,
                "command_timeout": STATEMENT_SECONDS,
                "server_settings": {"search_path": self.schema, "application_name": f"tidemill-{self.schema}"},
            },
        )
        async with _translated(), self._engine.begin() as connection:
            await connection.run_sync(self._migrate)

    async def stop(self) -> None:
        if self._engine:
            await self._engine.dispose()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session that commits at the end and rolls back on an error; Unavailable if the database is not there."""
        if self._engine is None:
            raise Unavailable("the database is not started")
        async with _translated(), AsyncSession(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    async def is_reachable(self) -> bool:
        """Whether a query is answered within a second."""
        try:
            async with asyncio.timeout(1), self.transaction() as session:
                await (await session.connection()).execute(text("SELECT 1"))
        except (TimeoutError, Unavailable):
            return False
        return True

    def _migrate(self, connection: Connection) -> None:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{self.schema}"'))
        config = Config()
        config.set_main_option("script_location", str(self._migrations))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        config.attributes["schema"] = self.schema
        command.upgrade(config, "head")


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PostgresConnectionError, OperatorInterventionError, OSError) as error:
        raise Unavailable(f"PostgreSQL does not answer: {error.__class__.__name__}; is it running?") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Unavailable("PostgreSQL closed the connection") from error
        if error.orig and isinstance(error.orig.__cause__, DataError):
            raise InvalidInput(f"PostgreSQL cannot hold this value: {error.orig.__cause__}") from error
        raise
