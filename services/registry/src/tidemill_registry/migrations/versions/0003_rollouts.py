"""Rollouts, what of their evidence was used, and the candidate's part of a route."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"

STATES = "'pending', 'approved', 'rejected', 'rolled_back', 'inconclusive', 'superseded'"
PHASES = "'pending', 'shadow', 'canary', 'ab', 'bandit', 'promoted', 'rolled_back', 'inconclusive', 'superseded'"


def upgrade() -> None:
    op.drop_constraint("versions_state_check", "versions")
    op.create_check_constraint("versions_state_check", "versions", f"state IN ({STATES})")
    op.add_column("routes", sa.Column("candidate", sa.BigInteger))
    op.add_column("routes", sa.Column("share", sa.Float, nullable=False, server_default="0"))
    op.add_column("routes", sa.Column("fraction", sa.Float, nullable=False, server_default="0"))
    op.create_foreign_key("routes_candidate_fkey", "routes", "versions", ["model", "candidate"], ["model", "version"])
    op.create_check_constraint("routes_candidate_check", "routes", "candidate <> champion")
    op.create_check_constraint("routes_share_check", "routes", "share >= 0 AND share < 1 AND fraction BETWEEN 0 AND 1")
    op.create_table(
        "rollouts",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, primary_key=True),
        sa.Column("champion", sa.BigInteger, nullable=False),
        sa.Column("strategy", sa.Text, nullable=False),
        sa.Column("risk", sa.Text, nullable=False),
        sa.Column("risk_reason", sa.Text, nullable=False),
        sa.Column("plan", JSONB, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("stage", sa.Integer, nullable=False),
        sa.Column("share", sa.Float, nullable=False),
        sa.Column("held", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("first_epoch", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("progress", JSONB, nullable=False),
        sa.Column("course", JSONB, nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["model", "version"], ["versions.model", "versions.version"]),
        sa.ForeignKeyConstraint(["model", "champion"], ["versions.model", "versions.version"]),
        sa.CheckConstraint(f"phase IN ({PHASES})"),
        sa.CheckConstraint("version <> champion"),
    )
    op.create_index(
        "one_running_rollout",
        "rollouts",
        ["model"],
        unique=True,
        postgresql_where=sa.text("phase IN ('shadow', 'canary', 'ab', 'bandit')"),
    )
    op.create_table(
        "rollout_panes",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, primary_key=True),
        sa.Column("start", sa.BigInteger, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("used", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["model", "version"], ["rollouts.model", "rollouts.version"]),
    )
