"""Drift alarms: raised once, followed while they last, acknowledged by a person, cleared by themselves."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlmodel import Session

from app.contract import models as api
from app.errors import Conflict, NotFound
from app.services.identity import new_id
from app.storage import alarms as rows
from app.storage import events
from app.storage.columns import now
from app.storage.database import Transaction
from app.storage.drift_tables import DriftAlarmRow, DriftMonitorRow, DriftWindowRow
from app.storage.pages import Page
from zoo.drift import Comparison

RECOVERED, MODEL_CHANGED, MONITOR_REMOVED = "recovered", "model_changed", "monitor_removed"


class AlarmService:
    """Use cases of alarms."""

    def raise_(
        self,
        session: Session,
        monitor: DriftMonitorRow,
        window: DriftWindowRow,
        found: Comparison,
        since: DriftWindowRow | None,
    ) -> DriftAlarmRow:
        """A device drifts under a monitor; `since` is the first of the windows that say so."""
        row = DriftAlarmRow(
            id=new_id("alm"),
            monitor_id=monitor.id,
            endpoint=window.endpoint,
            model=monitor.model,
            version=monitor.version,
            statistic=found.statistic,
            method=found.method,
            value=found.value,
            threshold=found.threshold,
            window={"number": window.number, "samples": window.samples},
            latest=list(window.comparisons or ()),
            action_state="none" if monitor.action["kind"] == "none" else "pending",
            action={"kind": monitor.action["kind"]},
            since=(since or window).opened_at,
        )
        session.add(row)
        session.flush()
        record(session, row, "raised", **asdict(found))
        return row

    def clear(self, session: Session, row: DriftAlarmRow, because: str) -> None:
        """It is over."""
        row.cleared_at, row.cleared_because = now(), because
        session.add(row)
        record(session, row, "cleared", because=because)

    def acknowledge(self, transaction: Transaction, alarm_id: str, note: str | None) -> DriftAlarmRow:
        """Somebody has seen it; once, and also when it is over already."""
        row = self.alarm(transaction.session, alarm_id)
        if row.acknowledged_at is not None:
            raise Conflict(
                "alarm_acknowledged",
                f"Alarm {alarm_id} was acknowledged before.",
                "Nothing is left to do; it is cleared by itself when the device is as before.",
                "alarm_id",
            )
        row.acknowledged_at, row.note = now(), note
        transaction.session.add(row)
        record(transaction.session, row, "acknowledged", note=note)
        return row

    def alarm(self, session: Session, alarm_id: str) -> DriftAlarmRow:
        """One alarm, or NotFound."""
        row = rows.by_id(session, alarm_id)
        if row is None:
            raise NotFound(
                "alarm_not_found", f"There is no alarm {alarm_id}.", "GET /v1/alarms lists them.", "alarm_id"
            )
        return row

    def listing(self, session: Session, cursor: str | None, limit: int, **filters: str | None) -> Page[DriftAlarmRow]:
        """A page of alarms."""
        return rows.listing(session, cursor, limit, **filters)


def record(session: Session, row: DriftAlarmRow, what: str, **more: Any) -> None:
    """An event that tells what has become of an alarm; it is part of the device's history."""
    data = {"alarm": row.id, "monitor": row.monitor_id, "model": row.model, "version": row.version, **more}
    events.append(session, f"alarm.{what}", f"device/{row.endpoint}", data)


def as_alarm(row: DriftAlarmRow) -> api.Alarm:
    """An alarm as the API shows it."""
    return api.Alarm(
        **row.model_dump(exclude={"seq", "window", "latest", "action", "action_state"}),
        state="open" if row.cleared_at is None else "cleared",
        window=row.window["number"],
        samples=row.window["samples"],
        latest=as_comparisons(row.latest),
        action=api.AlarmAction.model_validate(
            {"job_id": None, "federation_id": None, "error": None, **row.action, "state": row.action_state}
        ),
    )


def as_comparisons(found: Sequence[dict[str, Any]] | None) -> list[api.DriftComparison]:
    """What a closed window came to, as the API shows it."""
    return [
        api.DriftComparison.model_validate({**item, "drifted": item["value"] > item["threshold"]})
        for item in found or ()
    ]
