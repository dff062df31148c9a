"""A version carries what live traffic is compared with, of which the profile of its training rows is one part."""

import sqlalchemy as sa
from alembic import op
from tidemill.v1.profile_pb2 import DataProfile
from tidemill.v1.reference_pb2 import Reference

revision = "0002"
down_revision = "0001"

VERSIONS = sa.table(
    "versions",
    sa.column("model", sa.Text),
    sa.column("version", sa.BigInteger),
    sa.column("training_profile", sa.LargeBinary),
    sa.column("reference", sa.LargeBinary),
)


def upgrade() -> None:
    op.add_column("versions", sa.Column("reference", sa.LargeBinary))
    connection = op.get_bind()
    known = sa.select(VERSIONS.c.model, VERSIONS.c.version, VERSIONS.c.training_profile)
    for model, version, profile in connection.execute(known).all():
        of_version = (VERSIONS.c.model == model) & (VERSIONS.c.version == version)
        connection.execute(sa.update(VERSIONS).where(of_version).values(reference=_reference(profile)))
    op.alter_column("versions", "reference", nullable=False)
    op.drop_column("versions", "training_profile")


def _reference(profile: bytes) -> bytes:
    return Reference(inputs=DataProfile.FromString(profile)).SerializeToString()
