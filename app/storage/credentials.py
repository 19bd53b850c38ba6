"""Rows of devices' keys; the keys themselves are sealed before they get here."""

from collections.abc import Sequence

from sqlmodel import Session, select

from app.storage.columns import now
from app.storage.tables import CredentialRow


def all_rows(session: Session) -> Sequence[CredentialRow]:
    """Every row."""
    return session.exec(select(CredentialRow)).all()


def by_endpoint(session: Session, endpoint: str) -> CredentialRow | None:
    """The row of an endpoint."""
    return session.get(CredentialRow, endpoint)


def put(session: Session, endpoint: str, claim: str, sealed: str) -> None:
    """Insert or replace."""
    row = session.get(CredentialRow, endpoint) or CredentialRow(endpoint=endpoint, claim=claim, sealed=sealed)
    row.claim, row.sealed, row.created_at = claim, sealed, now()
    session.add(row)


def remove(session: Session, endpoint: str) -> None:
    """Delete, if there is one."""
    row = session.get(CredentialRow, endpoint)
    if row is not None:
        session.delete(row)
