"""The tables of the chain from a model to a device; SQLModel is used for tables alone. Alembic's migrations must agree.

Those of datasets and of federations have modules of their own.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from app.storage.columns import json, moment


class BuilderRow(SQLModel, table=True):
    """A builder image by digest."""

    __tablename__ = "builder"
    seq: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True, max_length=40)
    name: str = Field(max_length=200)
    image: str = Field(max_length=300)
    digest: str = Field(unique=True, max_length=100)
    engine: str = Field(max_length=10)
    manifest: dict[str, Any] = json()
    created_at: datetime = moment()


class BuilderCheckRow(SQLModel, table=True):
    """A check of a builder against the contract; at most one that has not ended for each builder."""

    __tablename__ = "builder_check"
    __table_args__ = (
        Index(
            "ix_builder_check_live",
            "builder_id",
            unique=True,
            sqlite_where=text("finished_at IS NULL"),
            postgresql_where=text("finished_at IS NULL"),
        ),
        Index("ix_builder_check_builder", "builder_id"),
    )
    seq: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True, max_length=40)
    builder_id: str = Field(max_length=40)
    digest: str = Field(max_length=100)
    state: str = Field(default="queued", max_length=12)
    rules: list[dict[str, Any]] | None = json(nullable=True)
    error: dict[str, Any] | None = json(nullable=True)
    attempts: int = 0
    created_at: datetime = moment()
    started_at: datetime | None = moment(nullable=True)
    finished_at: datetime | None = moment(nullable=True)


class ModelRow(SQLModel, table=True):
    """A model's name, and which of its versions is active."""

    __tablename__ = "model"
    name: str = Field(primary_key=True, max_length=63)
    active_version: int
    created_at: datetime = moment()


class ModelVersionRow(SQLModel, table=True):
    """One .tflite, uploaded or made by a training job: then with its lineage, evaluation and other forms."""

    __tablename__ = "model_version"
    __table_args__ = (Index("ix_model_version_sha256", "model", "sha256", unique=True),)
    model: str = Field(primary_key=True, foreign_key="model.name", max_length=63)
    version: int = Field(primary_key=True)
    sha256: str = Field(max_length=64)
    size: int
    report: dict[str, Any] = json()
    golden: dict[str, Any] = json()
    card: dict[str, Any] | None = json(nullable=True)
    formats: dict[str, Any] | None = json(nullable=True)
    lineage: dict[str, Any] | None = json(nullable=True)
    evaluation: dict[str, Any] | None = json(nullable=True)
    created_at: datetime = moment()


class TrainingJobRow(SQLModel, table=True):
    """A training job. `version` is what it made; `fruitless` counts workers in a row that died without an epoch."""

    __tablename__ = "training_job"
    seq: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True, max_length=40)
    state: str = Field(default="queued", max_length=12, index=True)
    kind: str = Field(max_length=20)
    model: str = Field(max_length=63, index=True)
    version: int | None = None
    parent: dict[str, Any] | None = json(nullable=True)
    snapshot_sha256: str = Field(max_length=64)
    dataset: str | None = Field(default=None, max_length=63)
    recipe: dict[str, Any] | None = json(nullable=True)
    offload: dict[str, Any] | None = json(nullable=True)
    federated: dict[str, Any] | None = json(nullable=True)
    trainable: dict[str, Any] | None = json(nullable=True)
    seed: int | None = None
    activate: bool = False
    epochs_done: int = 0
    epochs_total: int = 0
    result: dict[str, Any] | None = json(nullable=True)
    error: dict[str, Any] | None = json(nullable=True)
    attempts: int = 0
    fruitless: int = 0
    cancel_requested: bool = False
    created_at: datetime = moment()
    started_at: datetime | None = moment(nullable=True)
    finished_at: datetime | None = moment(nullable=True)


class OffloadSessionRow(SQLModel, table=True):
    """A session of offloaded training: the confs as they came, and the files by the sender's names for them."""

    __tablename__ = "offload_session"
    seq: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True, max_length=40)
    topic: str = Field(max_length=255, index=True)
    model: str = Field(max_length=63)
    seed: int
    receiver_conf: str
    sender_conf: str | None = None
    files: dict[str, Any] = json()
    job_id: str | None = Field(default=None, max_length=40)
    cancelled: bool = False
    registered: dict[str, Any] | None = json(nullable=True)
    created_at: datetime = moment()
    deadline_at: datetime = moment()


class OffloadModelRow(SQLModel, table=True):
    """A file under a service key; one version is active at most. A deleted one's row stays, so that its number does."""

    __tablename__ = "offload_model"
    key: str = Field(primary_key=True, max_length=100)
    version: int = Field(primary_key=True)
    name: str = Field(max_length=100)
    sha256: str = Field(max_length=64)
    size: int
    description: str = Field(max_length=2000)
    active: bool
    deleted: bool = False
    session_id: str | None = Field(default=None, max_length=40)
    created_at: datetime = moment()


class TrainingEpochRow(SQLModel, table=True):
    """The figures of one epoch."""

    __tablename__ = "training_epoch"
    job_id: str = Field(primary_key=True, max_length=40)
    epoch: int = Field(primary_key=True)
    figures: dict[str, Any] = json()


class BuildRow(SQLModel, table=True):
    """A build; at most one that is queued, running or succeeded for each key."""

    __tablename__ = "build"
    __table_args__ = (
        Index(
            "ix_build_live_key",
            "key",
            unique=True,
            sqlite_where=text("state IN ('queued', 'running', 'succeeded')"),
            postgresql_where=text("state IN ('queued', 'running', 'succeeded')"),
        ),
    )
    seq: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True, max_length=40)
    key: str = Field(max_length=64)
    state: str = Field(default="queued", max_length=12, index=True)
    model: str = Field(max_length=63)
    version: int
    model_sha256: str = Field(max_length=64)
    board: str = Field(max_length=63)
    builder_id: str = Field(max_length=40)
    builder_digest: str = Field(max_length=100)
    parameters: dict[str, Any] = json()
    firmware_version: str = Field(max_length=40)
    security_counter: int
    artifact_sha256: str | None = Field(default=None, max_length=64)
    artifacts: list[dict[str, Any]] | None = json(nullable=True)
    result: dict[str, Any] | None = json(nullable=True)
    error: dict[str, Any] | None = json(nullable=True)
    attempts: int = 0
    cancel_requested: bool = False
    created_at: datetime = moment()
    started_at: datetime | None = moment(nullable=True)
    finished_at: datetime | None = moment(nullable=True)


class ArtifactRow(SQLModel, table=True):
    """An image in the blob store, and the build that made it first; `signature` is that of formats that hold none."""

    __tablename__ = "artifact"
    seq: int | None = Field(default=None, primary_key=True)
    sha256: str = Field(unique=True, max_length=64)
    kind: str = Field(max_length=12)
    format: str = Field(default="bin", max_length=10)
    slot: str | None = Field(default=None, max_length=64)
    abi: str | None = Field(default=None, max_length=64)
    signature: str | None = Field(default=None, max_length=120)
    size: int
    board: str = Field(max_length=63)
    firmware_version: str = Field(max_length=40)
    security_counter: int
    model: str = Field(max_length=63)
    version: int
    model_sha256: str = Field(max_length=64)
    builder_digest: str = Field(max_length=100)
    build_id: str = Field(max_length=40)
    created_at: datetime = moment()


class DeviceRow(SQLModel, table=True):
    """A device that registered over LwM2M at least once; `registration` outlives a restart of the server."""

    __tablename__ = "device"
    endpoint: str = Field(primary_key=True, max_length=255)
    registration: dict[str, Any] | None = json(nullable=True)
    observations: list[dict[str, Any]] | None = json(nullable=True)
    expires_at: datetime | None = moment(nullable=True)
    board: str | None = Field(default=None, max_length=63)
    firmware_version: str | None = Field(default=None, max_length=64)
    artifact_sha256: str | None = Field(default=None, max_length=64, index=True)
    abi: str | None = Field(default=None, max_length=64)
    model_source: str | None = Field(default=None, max_length=10)
    model_sha256: str | None = Field(default=None, max_length=64)
    model_artifact_sha256: str | None = Field(default=None, max_length=64, index=True)
    model_slots: list[dict[str, Any]] | None = json(nullable=True)
    first_seen_at: datetime = moment()
    last_seen_at: datetime = moment()


class CredentialRow(SQLModel, table=True):
    """A device's key: `claim` is its identity, `sealed` the encrypted rest in hex."""

    __tablename__ = "device_credential"
    endpoint: str = Field(primary_key=True, max_length=255)
    claim: str = Field(unique=True, max_length=140)
    sealed: str = Field(max_length=2000)
    created_at: datetime = moment()


class UpdateRow(SQLModel, table=True):
    """One artifact to one device, into `slot`; at most one that has not ended for each device."""

    __tablename__ = "device_update"
    __table_args__ = (
        Index(
            "ix_update_live_endpoint",
            "endpoint",
            unique=True,
            sqlite_where=text("finished_at IS NULL"),
            postgresql_where=text("finished_at IS NULL"),
        ),
    )
    seq: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True, max_length=40)
    kind: str = Field(default="fota", max_length=8)
    endpoint: str = Field(max_length=255, index=True)
    slot: str | None = Field(default=None, max_length=64)
    instance: int | None = None
    choice_reason: str | None = None
    artifact_sha256: str | None = Field(default=None, max_length=64)
    previous_sha256: str | None = Field(default=None, max_length=64)
    previous_version: str | None = Field(default=None, max_length=64)
    expected_version: str = Field(max_length=64)
    reported_version: str | None = Field(default=None, max_length=64)
    delivery: str = Field(max_length=8)
    severity: str | None = Field(default=None, max_length=9)
    max_defer_seconds: int | None = None
    token: str = Field(unique=True, max_length=64)
    state: str = Field(default="pending", max_length=12, index=True)
    machine: dict[str, Any] | None = json(nullable=True)
    reason: str | None = None
    result: int | None = None
    report: dict[str, Any] | None = json(nullable=True)
    inference: dict[str, Any] | None = json(nullable=True)
    bytes_sent: int = 0
    bytes_total: int
    cancel_requested: bool = False
    created_at: datetime = moment()
    started_at: datetime | None = moment(nullable=True)
    finished_at: datetime | None = moment(nullable=True)
    deadline_at: datetime | None = moment(nullable=True)


class EventRow(SQLModel, table=True):
    """Something that happened; the id is the order, and what SSE resumes from."""

    __tablename__ = "event"
    __table_args__ = {"sqlite_autoincrement": True}
    id: int | None = Field(default=None, primary_key=True)
    at: datetime = moment()
    type: str = Field(max_length=60)
    subject: str = Field(max_length=300, index=True)
    data: dict[str, Any] = json()


class IdempotencyRow(SQLModel, table=True):
    """The first answer to a call with an Idempotency-Key; without `status`, `boot` is still working on it."""

    __tablename__ = "idempotency"
    key: str = Field(primary_key=True, max_length=255)
    fingerprint: str = Field(max_length=64)
    boot: str = Field(max_length=40)
    status: int | None = None
    body: str | None = None
    location: str | None = Field(default=None, max_length=300)
    created_at: datetime = moment()
