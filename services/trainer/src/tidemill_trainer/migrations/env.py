"""Alembic's entry: the runtime has what is common to all services."""

from tidemill_runtime import migrations

migrations.run()
