"""The trainer's tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB
from tidemill_runtime.migrations import create_outbox_and_inbox

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_outbox_and_inbox()
    op.create_table(
        "data_versions",
        sa.Column("pipeline", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("table", sa.Text, nullable=False),
        sa.Column("table_version", sa.BigInteger, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
    )
    op.create_table(
        "champions",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("artifact_digest", sa.Text, nullable=False),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("cause", sa.BigInteger, nullable=False),
        sa.Column("cause_event_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("traceparent", sa.Text),
        sa.Column("joined_event_ids", JSONB, nullable=False),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sa.Column("data", JSONB),
        sa.Column("artifact_digest", sa.Text),
        sa.Column("report_digest", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed')"),
    )
    op.create_index("runs_one_queued", "runs", ["pipeline"], unique=True, postgresql_where=sa.text("state = 'queued'"))
    op.create_index("runs_by_time", "runs", ["queued_at"])


def downgrade() -> None:
    op.execute("DROP TABLE runs, champions, data_versions, inbox, outbox")
