"""Rows of drift monitors, of what devices sent to them, and of references."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlmodel import Session, col, delete, func, select
from sqlmodel.sql.expression import SelectOfScalar

from app.storage.drift_tables import DriftDeviceRow, DriftMonitorRow, DriftReferenceRow, DriftWindowRow
from app.storage.pages import Page, page


def reference(session: Session, model: str, version: int, snapshot_sha256: str) -> DriftReferenceRow | None:
    """What a version does on a snapshot."""
    return session.get(DriftReferenceRow, (model, version, snapshot_sha256))


def put_reference(session: Session, model: str, version: int, snapshot_sha256: str, document: dict[str, Any]) -> None:
    """Keep it, in place of one from an earlier job: the same bytes of the same samples give the same."""
    row = reference(session, model, version, snapshot_sha256)
    if row is None:
        row = DriftReferenceRow(model=model, version=version, snapshot_sha256=snapshot_sha256)
    row.document = document
    session.add(row)


def monitor(session: Session, monitor_id: str) -> DriftMonitorRow | None:
    """One monitor."""
    return session.exec(select(DriftMonitorRow).where(DriftMonitorRow.id == monitor_id)).first()


def monitor_of(session: Session, model_sha256: str) -> DriftMonitorRow | None:
    """The monitor of a model with these bytes."""
    return session.exec(select(DriftMonitorRow).where(DriftMonitorRow.model_sha256 == model_sha256)).first()


def any_monitor(session: Session) -> bool:
    """Whether anything is watched at all."""
    return session.exec(select(DriftMonitorRow.seq).limit(1)).first() is not None


def monitors(session: Session, cursor: str | None, limit: int, model: str | None) -> Page[DriftMonitorRow]:
    """A page of monitors, newest first."""
    statement = select(DriftMonitorRow)
    if model is not None:
        statement = statement.where(DriftMonitorRow.model == model)
    return page(session, statement, col(DriftMonitorRow.seq), cursor=cursor, limit=limit)


def device(session: Session, monitor_id: str, endpoint: str) -> DriftDeviceRow | None:
    """Where a device stands under a monitor."""
    return session.exec(
        select(DriftDeviceRow).where(DriftDeviceRow.monitor_id == monitor_id, DriftDeviceRow.endpoint == endpoint)
    ).first()


def devices(session: Session, monitor_id: str, cursor: str | None, limit: int) -> Page[DriftDeviceRow]:
    """A page of the devices that a monitor has heard of, the newest first."""
    statement = select(DriftDeviceRow).where(DriftDeviceRow.monitor_id == monitor_id)
    return page(session, statement, col(DriftDeviceRow.seq), cursor=cursor, limit=limit)


def count_devices(session: Session, monitor_id: str) -> int:
    """How many a monitor has heard of."""
    return session.exec(
        select(func.count()).select_from(DriftDeviceRow).where(DriftDeviceRow.monitor_id == monitor_id)
    ).one()


def devices_of(session: Session, monitor_id: str, endpoints: Collection[str]) -> dict[str, DriftDeviceRow]:
    """Where some devices stand under a monitor, by endpoint."""
    found = session.exec(
        select(DriftDeviceRow).where(
            DriftDeviceRow.monitor_id == monitor_id, col(DriftDeviceRow.endpoint).in_(list(endpoints))
        )
    )
    return {row.endpoint: row for row in found}


def open_windows(session: Session, monitor_id: str, endpoints: Collection[str]) -> dict[str, DriftWindowRow]:
    """The windows that the next samples of some devices come into, by endpoint."""
    found = session.exec(
        select(DriftWindowRow).where(
            DriftWindowRow.monitor_id == monitor_id,
            col(DriftWindowRow.endpoint).in_(list(endpoints)),
            col(DriftWindowRow.closed_at).is_(None),
        )
    )
    return {row.endpoint: row for row in found}


def window(session: Session, monitor_id: str, endpoint: str, number: int) -> DriftWindowRow | None:
    """One window."""
    return session.exec(_windows(monitor_id, endpoint).where(DriftWindowRow.number == number)).first()


def windows(session: Session, monitor_id: str, endpoint: str, limit: int) -> Sequence[DriftWindowRow]:
    """A device's windows, newest first."""
    statement = _windows(monitor_id, endpoint).order_by(col(DriftWindowRow.number).desc())
    return session.exec(statement.limit(limit)).all()


def forget_windows_before(session: Session, monitor_id: str, endpoint: str, number: int) -> None:
    """Delete windows that are too old to be kept."""
    session.exec(
        delete(DriftWindowRow).where(
            col(DriftWindowRow.monitor_id) == monitor_id,
            col(DriftWindowRow.endpoint) == endpoint,
            col(DriftWindowRow.number) < number,
        )
    )


def remove(session: Session, monitor: DriftMonitorRow) -> None:
    """Delete a monitor with everything that devices sent to it."""
    session.exec(delete(DriftWindowRow).where(col(DriftWindowRow.monitor_id) == monitor.id))
    session.exec(delete(DriftDeviceRow).where(col(DriftDeviceRow.monitor_id) == monitor.id))
    session.delete(monitor)


def _windows(monitor_id: str, endpoint: str) -> SelectOfScalar[DriftWindowRow]:
    return select(DriftWindowRow).where(DriftWindowRow.monitor_id == monitor_id, DriftWindowRow.endpoint == endpoint)
