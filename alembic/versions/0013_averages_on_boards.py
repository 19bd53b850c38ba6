"""Which average a board got when its federation had finished."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("federation_client", schema=None) as batch_op:
        batch_op.add_column(sa.Column("average_sha256", sa.String(length=64), nullable=True))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("federation_client", schema=None) as batch_op:
        batch_op.drop_column("average_sha256")
