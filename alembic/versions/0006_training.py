"""Training jobs, their epochs, and what a model version was made from."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "training_job",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("parent", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("snapshot_sha256", sa.String(length=64), nullable=False),
        sa.Column("dataset", sa.String(length=63), nullable=True),
        sa.Column("recipe", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("seed", sa.Integer(), nullable=True),
        sa.Column("activate", sa.Boolean(), nullable=False),
        sa.Column("epochs_done", sa.Integer(), nullable=False),
        sa.Column("epochs_total", sa.Integer(), nullable=False),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("error", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("fruitless", sa.Integer(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.String(length=40), nullable=False),
        sa.Column("started_at", sa.String(length=40), nullable=True),
        sa.Column("finished_at", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
    )
    with op.batch_alter_table("training_job", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_training_job_model"), ["model"], unique=False)
        batch_op.create_index(batch_op.f("ix_training_job_state"), ["state"], unique=False)

    op.create_table(
        "training_epoch",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "epoch"),
    )
    with op.batch_alter_table("model_version", schema=None) as batch_op:
        for name in ("formats", "lineage", "evaluation"):
            batch_op.add_column(sa.Column(name, sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("model_version", schema=None) as batch_op:
        for name in ("evaluation", "lineage", "formats"):
            batch_op.drop_column(name)

    op.drop_table("training_epoch")
    with op.batch_alter_table("training_job", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_training_job_state"))
        batch_op.drop_index(batch_op.f("ix_training_job_model"))

    op.drop_table("training_job")
