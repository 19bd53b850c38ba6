"""The tables of drift: references of versions, monitors, what devices sent in windows, and alarms."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from app.storage.columns import json, moment


class DriftReferenceRow(SQLModel, table=True):
    """What a version does on the held-out samples of a snapshot."""

    __tablename__ = "drift_reference"
    model: str = Field(primary_key=True, max_length=63)
    version: int = Field(primary_key=True)
    snapshot_sha256: str = Field(primary_key=True, max_length=64)
    document: dict[str, Any] = json()
    created_at: datetime = moment()


class DriftMonitorRow(SQLModel, table=True):
    """A version that is watched on every device that runs it; one monitor for the same bytes at most."""

    __tablename__ = "drift_monitor"
    seq: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True, max_length=40)
    model: str = Field(max_length=63, index=True)
    version: int
    model_sha256: str = Field(unique=True, max_length=64)
    snapshot_sha256: str = Field(max_length=64)
    job_id: str | None = Field(default=None, max_length=40)
    settings: dict[str, Any] = json()
    action: dict[str, Any] = json()
    created_at: datetime = moment()


class DriftDeviceRow(SQLModel, table=True):
    """Where a device stands under a monitor; `skipped` counts what it sent and was not taken, by reason."""

    __tablename__ = "drift_device"
    __table_args__ = (Index("ix_drift_device_pair", "monitor_id", "endpoint", unique=True),)
    seq: int | None = Field(default=None, primary_key=True)
    monitor_id: str = Field(max_length=40)
    endpoint: str = Field(max_length=255, index=True)
    last_sequence: int | None = None
    samples: int = 0
    windows: int = 0
    skipped: dict[str, Any] = json()
    standing: dict[str, Any] = json()
    updated_at: datetime = moment()


class DriftWindowRow(SQLModel, table=True):
    """Some inferences of a device in a row, as counts; the open one has no `closed_at` and no `comparisons`."""

    __tablename__ = "drift_window"
    __table_args__ = (Index("ix_drift_window_number", "monitor_id", "endpoint", "number", unique=True),)
    seq: int | None = Field(default=None, primary_key=True)
    monitor_id: str = Field(max_length=40)
    endpoint: str = Field(max_length=255)
    number: int
    samples: int = 0
    distributions: dict[str, Any] = json()
    comparisons: list[dict[str, Any]] | None = json(nullable=True)
    opened_at: datetime = moment()
    closed_at: datetime | None = moment(nullable=True)


class DriftAlarmRow(SQLModel, table=True):
    """An alarm, which outlives its monitor; at most one that is not cleared for each monitor and device.

    `action_state` is none, pending, opened, skipped or failed; `action` says what was opened, or why nothing was.
    """

    __tablename__ = "drift_alarm"
    __table_args__ = (
        Index(
            "ix_drift_alarm_open",
            "monitor_id",
            "endpoint",
            unique=True,
            sqlite_where=text("cleared_at IS NULL"),
            postgresql_where=text("cleared_at IS NULL"),
        ),
    )
    seq: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True, max_length=40)
    monitor_id: str = Field(max_length=40, index=True)
    endpoint: str = Field(max_length=255, index=True)
    model: str = Field(max_length=63, index=True)
    version: int
    statistic: str = Field(max_length=20)
    method: str = Field(max_length=8)
    value: float
    threshold: float
    window: dict[str, Any] = json()
    latest: list[dict[str, Any]] = json()
    action_state: str = Field(max_length=8, index=True)
    action: dict[str, Any] = json()
    since: datetime = moment()
    raised_at: datetime = moment()
    acknowledged_at: datetime | None = moment(nullable=True)
    note: str | None = Field(default=None, max_length=2000)
    cleared_at: datetime | None = moment(nullable=True)
    cleared_because: str | None = Field(default=None, max_length=20)
