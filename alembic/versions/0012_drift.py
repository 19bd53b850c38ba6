"""Drift: references, monitors, windows and alarms."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "drift_alarm",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("monitor_id", sa.String(length=40), nullable=False),
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("statistic", sa.String(length=20), nullable=False),
        sa.Column("method", sa.String(length=8), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("window", sa.JSON(), nullable=False),
        sa.Column("latest", sa.JSON(), nullable=False),
        sa.Column("action_state", sa.String(length=8), nullable=False),
        sa.Column("action", sa.JSON(), nullable=False),
        sa.Column("since", sa.String(length=40), nullable=False),
        sa.Column("raised_at", sa.String(length=40), nullable=False),
        sa.Column("acknowledged_at", sa.String(length=40), nullable=True),
        sa.Column("note", sa.String(length=2000), nullable=True),
        sa.Column("cleared_at", sa.String(length=40), nullable=True),
        sa.Column("cleared_because", sa.String(length=20), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
    )
    with op.batch_alter_table("drift_alarm", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_drift_alarm_action_state"), ["action_state"], unique=False)
        batch_op.create_index(batch_op.f("ix_drift_alarm_endpoint"), ["endpoint"], unique=False)
        batch_op.create_index(batch_op.f("ix_drift_alarm_model"), ["model"], unique=False)
        batch_op.create_index(batch_op.f("ix_drift_alarm_monitor_id"), ["monitor_id"], unique=False)
        batch_op.create_index(
            "ix_drift_alarm_open",
            ["monitor_id", "endpoint"],
            unique=True,
            sqlite_where=sa.text("cleared_at IS NULL"),
            postgresql_where=sa.text("cleared_at IS NULL"),
        )

    op.create_table(
        "drift_device",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("monitor_id", sa.String(length=40), nullable=False),
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("last_sequence", sa.Integer(), nullable=True),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("windows", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.JSON(), nullable=False),
        sa.Column("standing", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    with op.batch_alter_table("drift_device", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_drift_device_endpoint"), ["endpoint"], unique=False)
        batch_op.create_index("ix_drift_device_pair", ["monitor_id", "endpoint"], unique=True)

    op.create_table(
        "drift_monitor",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("model_sha256", sa.String(length=64), nullable=False),
        sa.Column("snapshot_sha256", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("action", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("model_sha256"),
    )
    with op.batch_alter_table("drift_monitor", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_drift_monitor_model"), ["model"], unique=False)

    op.create_table(
        "drift_reference",
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("snapshot_sha256", sa.String(length=64), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", "snapshot_sha256"),
    )
    op.create_table(
        "drift_window",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("monitor_id", sa.String(length=40), nullable=False),
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("distributions", sa.JSON(), nullable=False),
        sa.Column("comparisons", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("opened_at", sa.String(length=40), nullable=False),
        sa.Column("closed_at", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
    )
    with op.batch_alter_table("drift_window", schema=None) as batch_op:
        batch_op.create_index("ix_drift_window_number", ["monitor_id", "endpoint", "number"], unique=True)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("drift_window", schema=None) as batch_op:
        batch_op.drop_index("ix_drift_window_number")

    op.drop_table("drift_window")
    op.drop_table("drift_reference")
    with op.batch_alter_table("drift_monitor", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_drift_monitor_model"))

    op.drop_table("drift_monitor")
    with op.batch_alter_table("drift_device", schema=None) as batch_op:
        batch_op.drop_index("ix_drift_device_pair")
        batch_op.drop_index(batch_op.f("ix_drift_device_endpoint"))

    op.drop_table("drift_device")
    with op.batch_alter_table("drift_alarm", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_drift_alarm_open",
            sqlite_where=sa.text("cleared_at IS NULL"),
            postgresql_where=sa.text("cleared_at IS NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_drift_alarm_monitor_id"))
        batch_op.drop_index(batch_op.f("ix_drift_alarm_model"))
        batch_op.drop_index(batch_op.f("ix_drift_alarm_endpoint"))
        batch_op.drop_index(batch_op.f("ix_drift_alarm_action_state"))

    op.drop_table("drift_alarm")
