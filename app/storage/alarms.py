"""Rows of drift alarms."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from app.storage.drift_tables import DriftAlarmRow
from app.storage.pages import Page, page


def by_id(session: Session, alarm_id: str) -> DriftAlarmRow | None:
    """One alarm."""
    return session.exec(select(DriftAlarmRow).where(DriftAlarmRow.id == alarm_id)).first()


def open_of(session: Session, monitor_id: str, endpoint: str) -> DriftAlarmRow | None:
    """The alarm of a device under a monitor that is not cleared."""
    return session.exec(
        select(DriftAlarmRow).where(
            DriftAlarmRow.monitor_id == monitor_id,
            DriftAlarmRow.endpoint == endpoint,
            col(DriftAlarmRow.cleared_at).is_(None),
        )
    ).first()


def open_of_devices(session: Session, endpoints: Collection[str]) -> Sequence[DriftAlarmRow]:
    """The alarms of some devices that are not cleared, of whichever monitor."""
    return session.exec(
        select(DriftAlarmRow).where(
            col(DriftAlarmRow.endpoint).in_(list(endpoints)), col(DriftAlarmRow.cleared_at).is_(None)
        )
    ).all()


def open_of_monitor(session: Session, monitor_id: str) -> Sequence[DriftAlarmRow]:
    """The alarms of a monitor that are not cleared."""
    return session.exec(
        select(DriftAlarmRow).where(DriftAlarmRow.monitor_id == monitor_id, col(DriftAlarmRow.cleared_at).is_(None))
    ).all()


def pending(session: Session) -> Sequence[DriftAlarmRow]:
    """Alarms about which something is still to be done, oldest first."""
    statement = select(DriftAlarmRow).where(DriftAlarmRow.action_state == "pending")
    return session.exec(statement.order_by(col(DriftAlarmRow.seq))).all()


def opened_since(session: Session, monitor_id: str, moment: datetime) -> DriftAlarmRow | None:
    """The newest alarm of a monitor, raised since then, about which something was opened."""
    statement = select(DriftAlarmRow).where(
        DriftAlarmRow.monitor_id == monitor_id,
        DriftAlarmRow.raised_at >= moment,
        DriftAlarmRow.action_state == "opened",
    )
    return session.exec(statement.order_by(col(DriftAlarmRow.seq).desc())).first()


def listing(
    session: Session,
    cursor: str | None,
    limit: int,
    *,
    state: str | None,
    endpoint: str | None,
    model: str | None,
) -> Page[DriftAlarmRow]:
    """A page, newest first."""
    statement = select(DriftAlarmRow)
    if state is not None:
        cleared = col(DriftAlarmRow.cleared_at)
        statement = statement.where(cleared.is_(None) if state == "open" else cleared.is_not(None))
    if endpoint is not None:
        statement = statement.where(DriftAlarmRow.endpoint == endpoint)
    if model is not None:
        statement = statement.where(DriftAlarmRow.model == model)
    return page(session, statement, col(DriftAlarmRow.seq), cursor=cursor, limit=limit)
