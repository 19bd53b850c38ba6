"""Devices' keys and observations."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "device_credential",
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("claim", sa.String(length=140), nullable=False),
        sa.Column("sealed", sa.String(length=2000), nullable=False),
        sa.Column("created_at", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("endpoint"),
        sa.UniqueConstraint("claim"),
    )
    with op.batch_alter_table("device", schema=None) as batch_op:
        batch_op.add_column(sa.Column("observations", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("device", schema=None) as batch_op:
        batch_op.drop_column("observations")

    op.drop_table("device_credential")
