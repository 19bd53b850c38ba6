"""Sessions of offloaded training, and the repository of files under service keys."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "offload_session",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("topic", sa.String(length=255), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("receiver_conf", sa.String(), nullable=False),
        sa.Column("sender_conf", sa.String(), nullable=True),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=True),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.Column("registered", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.String(length=40), nullable=False),
        sa.Column("deadline_at", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
    )
    with op.batch_alter_table("offload_session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_offload_session_topic"), ["topic"], unique=False)

    op.create_table(
        "offload_model",
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("description", sa.String(length=2000), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("session_id", sa.String(length=40), nullable=True),
        sa.Column("created_at", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("key", "version"),
    )
    with op.batch_alter_table("training_job", schema=None) as batch_op:
        batch_op.add_column(sa.Column("offload", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("training_job", schema=None) as batch_op:
        batch_op.drop_column("offload")

    op.drop_table("offload_model")
    with op.batch_alter_table("offload_session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_offload_session_topic"))

    op.drop_table("offload_session")
