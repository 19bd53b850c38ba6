"""How urgent an update is, and how long it may be put off."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("device_update", schema=None) as batch_op:
        batch_op.add_column(sa.Column("severity", sa.String(length=9), nullable=True))
        batch_op.add_column(sa.Column("max_defer_seconds", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("device_update", schema=None) as batch_op:
        batch_op.drop_column("max_defer_seconds")
        batch_op.drop_column("severity")
