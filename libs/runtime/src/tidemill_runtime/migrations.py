"""What a service's alembic `env.py` does: migrate its schema over the connection that `Database` gives."""

from alembic import context
from sqlmodel import SQLModel


def run() -> None:
    """Apply the migrations; called by `env.py`."""
    attributes = context.config.attributes
    context.configure(
        connection=attributes["connection"],
        target_metadata=SQLModel.metadata,
        version_table_schema=attributes["schema"],
    )
    with context.begin_transaction():
        context.run_migrations()
