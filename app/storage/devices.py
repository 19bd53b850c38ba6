"""Rows of devices and of their updates."""

from collections.abc import Collection, Sequence

from sqlmodel import Session, col, select

from app.storage.pages import Page, page
from app.storage.tables import DeviceRow, UpdateRow


def by_endpoint(session: Session, endpoint: str) -> DeviceRow | None:
    """One device."""
    return session.get(DeviceRow, endpoint)


def registered(session: Session) -> Sequence[DeviceRow]:
    """Devices whose registration has not ended, as far as was written down."""
    return session.exec(select(DeviceRow).where(col(DeviceRow.expires_at).is_not(None))).all()


def by_endpoints(session: Session, endpoints: Collection[str]) -> Sequence[DeviceRow]:
    """Those of some devices that ever registered."""
    return session.exec(select(DeviceRow).where(col(DeviceRow.endpoint).in_(list(endpoints)))).all()


def listing(session: Session, cursor: str | None, limit: int) -> Page[DeviceRow]:
    """A page by endpoint."""
    return page(session, select(DeviceRow), col(DeviceRow.endpoint), cursor=cursor, limit=limit, newest_first=False)


def update(session: Session, update_id: str) -> UpdateRow | None:
    """One update."""
    return session.exec(select(UpdateRow).where(UpdateRow.id == update_id)).first()


def update_by_token(session: Session, token: str) -> UpdateRow | None:
    """The update whose package a device may fetch by this token, while it has not ended."""
    return session.exec(select(UpdateRow).where(UpdateRow.token == token, col(UpdateRow.finished_at).is_(None))).first()


def live_update(session: Session, endpoint: str) -> UpdateRow | None:
    """The update of a device that has not ended."""
    return session.exec(
        select(UpdateRow).where(UpdateRow.endpoint == endpoint, col(UpdateRow.finished_at).is_(None))
    ).first()


def unfinished_updates(session: Session) -> Sequence[UpdateRow]:
    """Updates that have not ended, oldest first."""
    return session.exec(
        select(UpdateRow).where(col(UpdateRow.finished_at).is_(None)).order_by(col(UpdateRow.seq))
    ).all()


def updates(
    session: Session, cursor: str | None, limit: int, endpoint: str | None, state: str | None
) -> Page[UpdateRow]:
    """A page of updates, newest first."""
    statement = select(UpdateRow)
    if endpoint is not None:
        statement = statement.where(UpdateRow.endpoint == endpoint)
    if state is not None:
        statement = statement.where(UpdateRow.state == state)
    return page(session, statement, col(UpdateRow.seq), cursor=cursor, limit=limit)
