"""What is done about an alarm: a training job or a federation is opened, once, as the monitor says."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from sqlmodel import Session

from app.contract import models as api
from app.errors import AppError, Invalid, translate
from app.services.alarms import record
from app.services.dataset_files import DatasetFiles
from app.services.datasets import DatasetService
from app.services.federations import FederationService
from app.services.ports import BROKEN_OFF
from app.services.snapshots import SnapshotService
from app.services.training import TrainingService
from app.storage import alarms as rows
from app.storage import drift
from app.storage.columns import now
from app.storage.database import Database, Transaction
from app.storage.drift_tables import DriftMonitorRow
from zoo.datasets.split import Plan
from zoo.errors import ZooError

_log = structlog.get_logger(__name__)

JsonObject = dict[str, Any]
Open = Callable[[Transaction], JsonObject]
"""Opens something in the transaction that writes down what it was."""


class DriftActions:
    """Carries out what is pending; a process that dies leaves it pending for the next one."""

    def __init__(
        self,
        database: Database,
        training: TrainingService,
        federations: FederationService,
        datasets: DatasetService,
        files: DatasetFiles,
    ) -> None:
        self._database = database
        self._training = training
        self._federations = federations
        self._datasets = datasets
        self._snapshots = SnapshotService(files)
        self._files = files

    def check(self, session: Session, action: api.DriftAction, snapshot_sha256: str) -> None:
        """Refuse what could not be carried out later; `snapshot_sha256` stands for one that is not taken yet."""
        if action.kind == "none":
            return
        if (action.training_job if action.kind == "training_job" else action.federation) is None:
            raise Invalid(
                "action_incomplete",
                f"An action of the kind {action.kind} needs what it is to open.",
                f"Give {action.kind}, as for a POST of one, or take the kind none.",
                f"body.action.{action.kind}",
            )
        try:
            if action.dataset is not None:
                self._datasets.dataset(session, action.dataset)
        except AppError as error:
            error.field = "body.action.dataset"
            raise
        asked = _with_snapshot(action, snapshot_sha256 if action.dataset is not None else None)
        try:
            if isinstance(asked, api.FederationRequest):
                self._federations.check(session, asked)
            else:
                self._training.prepare(session, asked)
        except AppError as error:
            if error.field is not None:
                error.field = f"body.action.{action.kind}.{error.field.removeprefix('body.')}"
            raise

    def carry_out(self) -> None:
        """Everything that is pending, oldest first."""
        with self._database.read() as session:
            waiting = [(row.id, drift.monitor(session, row.monitor_id)) for row in rows.pending(session)]
        for alarm_id, monitor in waiting:
            try:
                self._act(alarm_id, monitor)
            except AppError as error:
                self._fail(alarm_id, error)
            except ZooError as error:
                self._fail(alarm_id, translate(error))
            except Exception as error:  # noqa: BLE001 - left pending it would break off again with every alarm to come
                self._fail(alarm_id, AppError(BROKEN_OFF["slug"], BROKEN_OFF["detail"], BROKEN_OFF["remedy"]))
                _log.error("an alarm's action broke off", alarm_id=alarm_id, exc_info=error)

    def _act(self, alarm_id: str, monitor: DriftMonitorRow | None) -> None:
        if monitor is None:
            self._settle(alarm_id, "skipped", lambda _: {})
            return
        action = api.DriftAction.model_validate(monitor.action)
        with self._database.read() as session:
            earlier = rows.opened_since(session, monitor.id, now() - timedelta(seconds=action.cooldown_seconds))
        if earlier is not None:
            opened = earlier.action
            self._settle(alarm_id, "skipped", lambda _: opened)
        elif action.dataset is None:
            self._settle(alarm_id, "opened", lambda transaction: self._open(transaction, action, None))
        else:
            self._open_on_dataset(alarm_id, action, action.dataset)

    def _open_on_dataset(self, alarm_id: str, action: api.DriftAction, name: str) -> None:
        """With a snapshot of what a dataset has now."""
        with self._files.held():
            with self._database.read() as session:
                dataset = self._datasets.dataset(session, name)
                taken = self._snapshots.take(session, dataset, Plan(**api.SnapshotRequest().model_dump()))

            def store_and_open(transaction: Transaction) -> JsonObject:
                self._snapshots.store(transaction, dataset, taken)
                return self._open(transaction, action, taken.sha256)

            self._settle(alarm_id, "opened", store_and_open)

    def _open(self, transaction: Transaction, action: api.DriftAction, snapshot_sha256: str | None) -> JsonObject:
        asked = _with_snapshot(action, snapshot_sha256)
        if isinstance(asked, api.FederationRequest):
            return {"federation_id": self._federations.create(transaction, asked).id}
        return {"job_id": self._training.create(transaction, asked).id}

    def _settle(self, alarm_id: str, state: str, do: Open) -> None:
        """Do it and write it down in one transaction, unless it was done."""
        with self._database.write() as transaction:
            alarm = rows.by_id(transaction.session, alarm_id)
            if alarm is not None and alarm.action_state == "pending":
                alarm.action = {**alarm.action, **do(transaction)}
                alarm.action_state = state
                transaction.session.add(alarm)
                record(transaction.session, alarm, "action", state=state, **alarm.action)

    def _fail(self, alarm_id: str, error: AppError) -> None:
        told = {"slug": error.slug, "detail": error.detail, "remedy": error.remedy, "field": error.field}
        _log.warning("an alarm's action failed", alarm_id=alarm_id, detail=error.detail)
        self._settle(alarm_id, "failed", lambda _: {"error": told})


def _with_snapshot(
    action: api.DriftAction, snapshot_sha256: str | None
) -> api.TrainingJobRequest | api.FederationRequest:
    """What is to be opened; with another snapshot than it names when one is given."""
    asked = action.training_job if action.kind == "training_job" else action.federation
    if asked is None:
        raise LookupError("an action was stored that says nothing")
    return asked if snapshot_sha256 is None else asked.model_copy(update={"snapshot": snapshot_sha256})
