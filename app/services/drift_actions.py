"""What is done about an alarm: a training job is opened, once, as the monitor says."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog

from app.contract import models as api
from app.errors import AppError, translate
from app.services.alarms import record
from app.services.dataset_files import DatasetFiles
from app.services.datasets import DatasetService
from app.services.ports import BROKEN_OFF
from app.services.snapshots import SnapshotService
from app.services.training import TrainingService
from app.storage import alarms as rows
from app.storage import drift
from app.storage.columns import now
from app.storage.database import Database, Transaction
from app.storage.drift_tables import DriftAlarmRow
from zoo.datasets.errors import DatasetError
from zoo.datasets.split import Plan
from zoo.training.errors import RecipeError

_log = structlog.get_logger(__name__)

JsonObject = dict[str, Any]
Open = Callable[[Transaction], JsonObject]
"""Opens what an alarm asks for, in the transaction that says so; what was opened."""


class DriftActions:
    """Carries out what is pending; a process that dies leaves it pending for the next one."""

    def __init__(
        self,
        database: Database,
        training: TrainingService,
        datasets: DatasetService,
        snapshots: SnapshotService,
        files: DatasetFiles,
    ) -> None:
        self._database = database
        self._training = training
        self._datasets = datasets
        self._snapshots = snapshots
        self._files = files

    def carry_out(self) -> None:
        """Everything that is pending, oldest first."""
        with self._database.read() as session:
            waiting = [row.id for row in rows.pending(session)]
        for alarm_id in waiting:
            try:
                self._act(alarm_id)
            except AppError as error:
                self._fail(alarm_id, error)
            except (DatasetError, RecipeError) as error:
                self._fail(alarm_id, translate(error))
            except Exception as error:  # noqa: BLE001 - left pending it would break off again with every alarm to come
                self._fail(alarm_id, AppError(BROKEN_OFF["slug"], BROKEN_OFF["detail"], BROKEN_OFF["remedy"]))
                _log.exception("an alarm's action broke off", alarm_id=alarm_id, exc_info=error)

    def _act(self, alarm_id: str) -> None:
        with self._database.read() as session:
            alarm = rows.by_id(session, alarm_id)
            monitor = drift.monitor(session, alarm.monitor_id) if alarm is not None else None
            if alarm is None:
                return
            if monitor is None:
                self._settle(alarm_id, "skipped", lambda _: {})
                return
            action = api.DriftAction.model_validate(monitor.action)
            since = now() - timedelta(seconds=action.cooldown_seconds)
            earlier = rows.opened_since(session, monitor.id, since)
        if earlier is not None:
            told = {key: value for key, value in earlier.action.items() if key != "kind"}
            self._settle(alarm_id, "skipped", lambda _: told)
        elif action.training_job is not None:
            self._train(alarm_id, action.training_job, action.dataset)

    def _train(self, alarm_id: str, request: api.TrainingJobRequest, dataset_name: str | None) -> None:
        if dataset_name is None:
            self._settle(alarm_id, "opened", lambda to: {"job_id": self._training.create(to, request).id})
            return
        with self._files.held():
            with self._database.read() as session:
                dataset = self._datasets.dataset(session, dataset_name)
                taken = self._snapshots.take(session, dataset, Plan(**api.SnapshotRequest().model_dump()))

            def begin(transaction: Transaction) -> JsonObject:
                self._snapshots.store(transaction, dataset, taken)
                asked = request.model_copy(update={"snapshot": taken.sha256})
                return {"job_id": self._training.create(transaction, asked).id}

            self._settle(alarm_id, "opened", begin)

    def _settle(self, alarm_id: str, state: str, do: Open) -> None:
        """Do it and write it down in one transaction, unless it was done."""
        with self._database.write() as transaction:
            alarm = rows.by_id(transaction.session, alarm_id)
            if alarm is not None and alarm.action_state == "pending":
                self._write(transaction, alarm, state, do(transaction))

    def _fail(self, alarm_id: str, error: AppError) -> None:
        told = {"slug": error.slug, "detail": error.detail, "remedy": error.remedy, "field": error.field}
        _log.warning("an alarm's action failed", alarm_id=alarm_id, detail=error.detail)
        self._settle(alarm_id, "failed", lambda _: {"error": told})

    def _write(self, transaction: Transaction, alarm: DriftAlarmRow, state: str, told: JsonObject) -> None:
        alarm.action_state, alarm.action = state, {**alarm.action, **told}
        transaction.session.add(alarm)
        record(transaction.session, alarm, "action", state=state, **alarm.action)
