"""The tables of federations: who takes part, the rounds, and what each client sent in a round."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from app.storage.columns import json, moment


class FederationRow(SQLModel, table=True):
    """A federation. `document` and `trainable_sha256` are there once its model is exported.

    `round` is the newest round's number, `weights_sha256` the base of the next one: a file of the federation's own.
    """

    __tablename__ = "federation"
    seq: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True, max_length=40)
    name: str = Field(max_length=63)
    state: str = Field(default="preparing", max_length=12, index=True)
    model: str = Field(max_length=63, index=True)
    version: int
    model_sha256: str = Field(max_length=64)
    scope: str = Field(max_length=8)
    snapshot_sha256: str = Field(max_length=64)
    settings: dict[str, Any] = json()
    document: dict[str, Any] | None = json(nullable=True)
    trainable_sha256: str | None = Field(default=None, max_length=64)
    weights_sha256: str | None = Field(default=None, max_length=64)
    initial: dict[str, Any] | None = json(nullable=True)
    round: int = 0
    job_id: str | None = Field(default=None, max_length=40, index=True)
    result_version: int | None = None
    error: dict[str, Any] | None = json(nullable=True)
    created_at: datetime = moment()
    started_at: datetime | None = moment(nullable=True)
    finished_at: datetime | None = moment(nullable=True)


class FederationClientRow(SQLModel, table=True):
    """A client; of its token only the SHA-256. A board has an endpoint and no token. A removed one keeps its row.

    `average_sha256` is the identity of the weights that a board got when its federation had finished.
    """

    __tablename__ = "federation_client"
    __table_args__ = (
        Index(
            "ix_federation_client_name",
            "federation_id",
            "name",
            unique=True,
            sqlite_where=text("removed_at IS NULL"),
            postgresql_where=text("removed_at IS NULL"),
        ),
    )
    seq: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True, max_length=40)
    federation_id: str = Field(foreign_key="federation.id", max_length=40)
    name: str = Field(max_length=255)
    endpoint: str | None = Field(default=None, max_length=255)
    token_sha256: str | None = Field(default=None, unique=True, max_length=64)
    average_sha256: str | None = Field(default=None, max_length=64)
    created_at: datetime = moment()
    removed_at: datetime | None = moment(nullable=True)


class FederationRoundRow(SQLModel, table=True):
    """One round: from which weights, who is asked, until when, and what came of it."""

    __tablename__ = "federation_round"
    federation_id: str = Field(primary_key=True, foreign_key="federation.id", max_length=40)
    round: int = Field(primary_key=True)
    state: str = Field(default="open", max_length=12)
    model_sha256: str = Field(max_length=64)
    selected: list[str] = json()
    minimum: int
    deadline_at: datetime = moment()
    samples: int = 0
    result_sha256: str | None = Field(default=None, max_length=64)
    score: dict[str, Any] | None = json(nullable=True)
    opened_at: datetime = moment()
    closed_at: datetime | None = moment(nullable=True)


class FederationUpdateRow(SQLModel, table=True):
    """What a client sent in a round: accepted and then averaged, or refused with the reason; the last one counts."""

    __tablename__ = "federation_update"
    federation_id: str = Field(primary_key=True, foreign_key="federation.id", max_length=40)
    round: int = Field(primary_key=True)
    client_id: str = Field(primary_key=True, max_length=40)
    state: str = Field(max_length=12)
    sha256: str = Field(max_length=64)
    size: int
    samples: int | None = None
    norm: float | None = None
    loss: float | None = None
    reason: dict[str, Any] | None = json(nullable=True)
    received_at: datetime = moment()
