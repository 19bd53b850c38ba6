"""datasets."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "dataset",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("description", sa.String(length=2000), nullable=False),
        sa.Column("retain_days", sa.Integer(), nullable=True),
        sa.Column("signing_key", sa.String(length=2000), nullable=True),
        sa.Column("data_schema", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "dataset_snapshot",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("dataset", sa.String(length=63), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("data_schema", sa.JSON(), nullable=False),
        sa.Column("split", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.String(length=40), nullable=False),
        sa.Column("removed_at", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
    )
    with op.batch_alter_table("dataset_snapshot", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_dataset_snapshot_dataset"), ["dataset"], unique=False)
        batch_op.create_index("ix_dataset_snapshot_sha256", ["sha256", "dataset"], unique=True)

    op.create_table(
        "dataset_snapshot_use",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("sha256", "subject"),
    )
    op.create_table(
        "dataset_upload",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("dataset", sa.String(length=63), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("format", sa.String(length=20), nullable=False),
        sa.Column("samples_sha256", sa.String(length=64), nullable=False),
        sa.Column("rejected_sha256", sa.String(length=64), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset"],
            ["dataset.name"],
        ),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
    )
    with op.batch_alter_table("dataset_upload", schema=None) as batch_op:
        batch_op.create_index("ix_dataset_upload_fingerprint", ["dataset", "fingerprint"], unique=True)
        batch_op.create_index(batch_op.f("ix_dataset_upload_rejected_sha256"), ["rejected_sha256"], unique=False)
        batch_op.create_index(batch_op.f("ix_dataset_upload_samples_sha256"), ["samples_sha256"], unique=False)

    op.create_table(
        "dataset_sample",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("dataset", sa.String(length=63), nullable=False),
        sa.Column("upload", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=True),
        sa.Column("origin", sa.String(length=100), nullable=True),
        sa.Column("part", sa.String(length=10), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset"],
            ["dataset.name"],
        ),
        sa.ForeignKeyConstraint(
            ["upload"],
            ["dataset_upload.seq"],
        ),
        sa.PrimaryKeyConstraint("seq"),
    )
    with op.batch_alter_table("dataset_sample", schema=None) as batch_op:
        batch_op.create_index("ix_dataset_sample_label", ["dataset", "label"], unique=False)
        batch_op.create_index("ix_dataset_sample_sha256", ["dataset", "sha256"], unique=False)
        batch_op.create_index(batch_op.f("ix_dataset_sample_upload"), ["upload"], unique=False)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("dataset_sample", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_dataset_sample_upload"))
        batch_op.drop_index("ix_dataset_sample_sha256")
        batch_op.drop_index("ix_dataset_sample_label")

    op.drop_table("dataset_sample")
    with op.batch_alter_table("dataset_upload", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_dataset_upload_samples_sha256"))
        batch_op.drop_index(batch_op.f("ix_dataset_upload_rejected_sha256"))
        batch_op.drop_index("ix_dataset_upload_fingerprint")

    op.drop_table("dataset_upload")
    op.drop_table("dataset_snapshot_use")
    with op.batch_alter_table("dataset_snapshot", schema=None) as batch_op:
        batch_op.drop_index("ix_dataset_snapshot_sha256")
        batch_op.drop_index(batch_op.f("ix_dataset_snapshot_dataset"))

    op.drop_table("dataset_snapshot")
    op.drop_table("dataset")
