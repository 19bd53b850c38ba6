"""First answers, kept by Idempotency-Key."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlmodel import col, delete

from app.storage.columns import now
from app.storage.database import Database
from app.storage.tables import IdempotencyRow


@dataclass(frozen=True)
class Claim:
    """What is known of a key: `new` means that the caller now works on it."""

    outcome: Literal["new", "replay", "other_body", "in_progress"]
    status: int = 0
    body: str = ""
    location: str | None = None


def claim(database: Database, key: str, fingerprint: str, boot: str, kept_for: timedelta) -> Claim:
    """Claim a key for a request; `boot` names this process: what a killed process claimed is free again."""
    with database.write() as transaction:
        session = transaction.session
        session.exec(delete(IdempotencyRow).where(col(IdempotencyRow.created_at) < now() - kept_for))
        row = session.get(IdempotencyRow, key)
        if row is not None and row.fingerprint != fingerprint:
            return Claim("other_body")
        if row is not None and row.status is not None:
            return Claim("replay", row.status, row.body or "", row.location)
        if row is not None and row.boot == boot:
            return Claim("in_progress")
        session.merge(IdempotencyRow(key=key, fingerprint=fingerprint, boot=boot))
        return Claim("new")


def keep(database: Database, key: str, status: int, body: str, location: str | None) -> None:
    """Keep the answer for repeats."""
    with database.write() as transaction:
        row = transaction.session.get(IdempotencyRow, key)
        if row is not None:
            row.status, row.body, row.location = status, body, location
            transaction.session.add(row)


def release(database: Database, key: str) -> None:
    """Forget a claim whose request failed: it may be repeated with the same key."""
    with database.write() as transaction:
        row = transaction.session.get(IdempotencyRow, key)
        if row is not None:
            transaction.session.delete(row)
