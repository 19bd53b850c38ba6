"""The tables of datasets: uploads, samples, snapshots, and who depends on a snapshot."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from app.storage.columns import json, moment


class DatasetRow(SQLModel, table=True):
    """A dataset; `data_schema` is there from its first samples on, `signing_key` is sealed."""

    __tablename__ = "dataset"
    name: str = Field(primary_key=True, max_length=63)
    description: str = Field(max_length=2000)
    retain_days: int | None = None
    signing_key: str | None = Field(default=None, max_length=2000)
    data_schema: dict[str, Any] | None = json(nullable=True)
    created_at: datetime = moment()


class DatasetUploadRow(SQLModel, table=True):
    """What came in one call: a file of accepted samples and one of rejected rows; the same bytes come in once."""

    __tablename__ = "dataset_upload"
    __table_args__ = (Index("ix_dataset_upload_fingerprint", "dataset", "fingerprint", unique=True),)
    seq: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True, max_length=40)
    dataset: str = Field(foreign_key="dataset.name", max_length=63)
    fingerprint: str = Field(max_length=64)
    format: str = Field(max_length=20)
    samples_sha256: str = Field(max_length=64, index=True)
    rejected_sha256: str | None = Field(default=None, max_length=64, index=True)
    size: int
    accepted: int
    rejected: int
    duplicates: int
    reasons: list[dict[str, Any]] = json()
    created_at: datetime = moment()


class DatasetSampleRow(SQLModel, table=True):
    """One sample: `position` is its row in the upload's file, `sha256` that of its values."""

    __tablename__ = "dataset_sample"
    __table_args__ = (
        Index("ix_dataset_sample_sha256", "dataset", "sha256"),
        Index("ix_dataset_sample_label", "dataset", "label"),
    )
    seq: int | None = Field(default=None, primary_key=True)
    dataset: str = Field(foreign_key="dataset.name", max_length=63)
    upload: int = Field(foreign_key="dataset_upload.seq", index=True)
    position: int
    sha256: str = Field(max_length=64)
    label: str | None = Field(default=None, max_length=100)
    origin: str | None = Field(default=None, max_length=100)
    part: str | None = Field(default=None, max_length=10)


class DatasetSnapshotRow(SQLModel, table=True):
    """An immutable copy of a dataset with its split; the row outlives the dataset, and the file when it is removed."""

    __tablename__ = "dataset_snapshot"
    __table_args__ = (Index("ix_dataset_snapshot_sha256", "sha256", "dataset", unique=True),)
    seq: int | None = Field(default=None, primary_key=True)
    dataset: str = Field(max_length=63, index=True)
    sha256: str = Field(max_length=64)
    size: int
    samples: int
    data_schema: dict[str, Any] = json()
    split: dict[str, Any] = json()
    created_at: datetime = moment()
    removed_at: datetime | None = moment(nullable=True)


class DatasetSnapshotUseRow(SQLModel, table=True):
    """Who depends on a snapshot, as `training-job/<id>` or `model/<name>/<version>`: its file is kept meanwhile."""

    __tablename__ = "dataset_snapshot_use"
    sha256: str = Field(primary_key=True, max_length=64)
    subject: str = Field(primary_key=True, max_length=300)
