"""Events: what happened, in order; written in the transaction of what they tell about."""

from collections.abc import Sequence
from typing import Any

from sqlmodel import Session, col, func, select

from app.storage.pages import Page, page
from app.storage.tables import EventRow


def append(session: Session, type_: str, subject: str, data: dict[str, Any]) -> None:
    """Add an event."""
    session.add(EventRow(type=type_, subject=subject, data=data))


def after(session: Session, event_id: int, subject: str | None, limit: int) -> Sequence[EventRow]:
    """Events past an id, oldest first."""
    statement = select(EventRow).where(col(EventRow.id) > event_id)
    if subject is not None:
        statement = statement.where(EventRow.subject == subject)
    return session.exec(statement.order_by(col(EventRow.id)).limit(limit)).all()


def of_subject(session: Session, subject: str) -> Sequence[EventRow]:
    """Every event of a subject, oldest first."""
    return session.exec(select(EventRow).where(EventRow.subject == subject).order_by(col(EventRow.id))).all()


def history(session: Session, subject: str, cursor: str | None, limit: int) -> Page[EventRow]:
    """A page of a subject's events, newest first."""
    return page(
        session, select(EventRow).where(EventRow.subject == subject), col(EventRow.id), cursor=cursor, limit=limit
    )


def newest_id(session: Session) -> int:
    """The id of the newest event; 0 when there is none."""
    return session.exec(select(func.max(EventRow.id))).one() or 0
