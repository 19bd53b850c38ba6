"""Rows of sessions of offloaded training, and of the repository of files under service keys."""

from collections.abc import Sequence

from sqlmodel import Session, col, func, select

from app.storage.pages import Page, page
from app.storage.tables import OffloadModelRow, OffloadSessionRow


def by_id(session: Session, session_id: str) -> OffloadSessionRow | None:
    """One session."""
    return session.exec(select(OffloadSessionRow).where(OffloadSessionRow.id == session_id)).first()


def listing(session: Session, cursor: str | None, limit: int, topic: str | None) -> Page[OffloadSessionRow]:
    """A page of sessions, newest first."""
    statement = select(OffloadSessionRow)
    if topic is not None:
        statement = statement.where(OffloadSessionRow.topic == topic)
    return page(session, statement, col(OffloadSessionRow.seq), cursor=cursor, limit=limit)


def version(session: Session, key: str, number: int) -> OffloadModelRow | None:
    """One version under a key that was not deleted."""
    row = session.get(OffloadModelRow, (key, number))
    return None if row is None or row.deleted else row


def active(session: Session, key: str) -> OffloadModelRow | None:
    """The activated version under a key."""
    return session.exec(
        select(OffloadModelRow).where(OffloadModelRow.key == key, col(OffloadModelRow.active).is_(True))
    ).first()


def latest_version(session: Session, key: str) -> int:
    """The highest version that there ever was under a key; 0 without any."""
    return session.exec(select(func.max(OffloadModelRow.version)).where(OffloadModelRow.key == key)).one() or 0


def versions(session: Session, key: str) -> Sequence[OffloadModelRow]:
    """Every version under a key, oldest first."""
    return session.exec(
        select(OffloadModelRow)
        .where(OffloadModelRow.key == key, col(OffloadModelRow.deleted).is_(False))
        .order_by(col(OffloadModelRow.version))
    ).all()
