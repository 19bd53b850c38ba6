"""A device says which model runs, from which slot, under which ABI; an update says where it goes, and why."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("device", schema=None) as batch_op:
        batch_op.add_column(sa.Column("abi", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("model_source", sa.String(length=10), nullable=True))
        batch_op.add_column(sa.Column("model_sha256", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("model_artifact_sha256", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("model_slots", sa.JSON(none_as_null=True), nullable=True))
        batch_op.create_index(batch_op.f("ix_device_model_artifact_sha256"), ["model_artifact_sha256"], unique=False)
    with op.batch_alter_table("device_update", schema=None) as batch_op:
        batch_op.add_column(sa.Column("slot", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("instance", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("choice_reason", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("inference", sa.JSON(none_as_null=True), nullable=True))
        batch_op.alter_column("artifact_sha256", existing_type=sa.String(length=64), nullable=True)
    # Until now every update was one of firmware.
    op.execute("UPDATE device_update SET slot = 'firmware'")


def downgrade() -> None:
    """Take back: updates of a model alone are forgotten."""
    op.execute("DELETE FROM device_update WHERE kind <> 'fota' OR artifact_sha256 IS NULL")
    with op.batch_alter_table("device_update", schema=None) as batch_op:
        batch_op.alter_column("artifact_sha256", existing_type=sa.String(length=64), nullable=False)
        batch_op.drop_column("inference")
        batch_op.drop_column("choice_reason")
        batch_op.drop_column("instance")
        batch_op.drop_column("slot")
    with op.batch_alter_table("device", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_device_model_artifact_sha256"))
        batch_op.drop_column("model_slots")
        batch_op.drop_column("model_artifact_sha256")
        batch_op.drop_column("model_sha256")
        batch_op.drop_column("model_source")
        batch_op.drop_column("abi")
