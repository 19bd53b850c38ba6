"""Drift monitors, as requests see them: made, listed, removed, and what the devices under them look like."""

from collections.abc import Mapping

from sqlmodel import Session

from app.contract import models as api
from app.errors import Conflict, NotFound
from app.services.alarms import MONITOR_REMOVED, AlarmService, as_comparisons
from app.services.drift_actions import DriftActions
from app.services.drift_intake import KEPT_WINDOWS, comparisons_of
from app.services.identity import new_id
from app.services.models import ModelService
from app.services.training import TrainingService
from app.storage import alarms as alarm_rows
from app.storage import drift as rows
from app.storage import events
from app.storage import training as training_rows
from app.storage.database import Transaction
from app.storage.drift_tables import DriftDeviceRow, DriftMonitorRow, DriftWindowRow
from app.storage.pages import Page
from zoo.drift import Distribution, Reference
from zoo.drift_picture import picture
from zoo.tensors import single_tensor

_SETTINGS = ("window_samples", "consecutive", "significance", "psi_limit", "distance_limit", "statistics")


class DriftService:
    """Use cases of drift monitors."""

    def __init__(
        self, models: ModelService, training: TrainingService, actions: DriftActions, alarms: AlarmService
    ) -> None:
        self._models = models
        self._training = training
        self._actions = actions
        self._alarms = alarms

    def create(self, transaction: Transaction, request: api.DriftMonitorRequest) -> DriftMonitorRow:
        """Watch a version; a job makes its reference unless there is one of that snapshot."""
        session = transaction.session
        version = self._models.version(session, request.model, request.version)
        single_tensor(version.report["inputs"], "input")
        single_tensor(version.report["outputs"], "output")
        there = rows.monitor_of(session, version.sha256)
        if there is not None:
            raise Conflict(
                "monitor_exists",
                f"{there.model} version {there.version} is watched already, by {there.id}: it has these very bytes.",
                f"GET /v1/drift-monitors/{there.id} shows it; DELETE it to begin anew with other settings.",
                "body.version",
            )
        job = self._training.prepare(
            session,
            api.TrainingJobRequest(
                kind="reference", model=version.model, parent_version=version.version, snapshot=request.snapshot
            ),
        )
        action = request.action or api.DriftAction()
        self._actions.check(session, action, job.snapshot_sha256)
        row = DriftMonitorRow(
            id=new_id("mon"),
            model=version.model,
            version=version.version,
            model_sha256=version.sha256,
            snapshot_sha256=job.snapshot_sha256,
            settings=request.model_dump(mode="json", include=set(_SETTINGS)),
            action=action.model_dump(mode="json"),
        )
        if rows.reference(session, row.model, row.version, row.snapshot_sha256) is None:
            row.job_id = self._training.queue(transaction, job).id
        session.add(row)
        session.flush()
        data = {"model": row.model, "version": row.version}
        events.append(session, "drift-monitor.created", f"drift-monitor/{row.id}", data)
        return row

    def monitor(self, session: Session, monitor_id: str) -> DriftMonitorRow:
        """One monitor, or NotFound."""
        row = rows.monitor(session, monitor_id)
        if row is None:
            raise NotFound(
                "drift_monitor_not_found",
                f"There is no drift monitor {monitor_id}.",
                "GET /v1/drift-monitors lists them.",
                "monitor_id",
            )
        return row

    def listing(self, session: Session, cursor: str | None, limit: int, model: str | None) -> Page[DriftMonitorRow]:
        """A page of monitors."""
        return rows.monitors(session, cursor, limit, model)

    def remove(self, transaction: Transaction, monitor_id: str) -> None:
        """Watch no more: its alarms are cleared and stay, what devices sent is deleted."""
        session = transaction.session
        row = self.monitor(session, monitor_id)
        for alarm in alarm_rows.open_of_monitor(session, monitor_id):
            self._alarms.clear(session, alarm, MONITOR_REMOVED)
        rows.remove(session, row)
        events.append(session, "drift-monitor.removed", f"drift-monitor/{monitor_id}", {"model": row.model})

    def devices(self, session: Session, monitor_id: str, cursor: str | None, limit: int) -> Page[DriftDeviceRow]:
        """A page of the devices that sent something."""
        self.monitor(session, monitor_id)
        return rows.devices(session, monitor_id, cursor, limit)

    def device(self, session: Session, monitor_id: str, endpoint: str) -> DriftDeviceRow:
        """One of them, or NotFound."""
        self.monitor(session, monitor_id)
        row = rows.device(session, monitor_id, endpoint)
        if row is None:
            raise NotFound(
                "drift_device_not_found",
                f"{endpoint} has told this monitor nothing: it does not run the model, or has inferred nothing since.",
                f"GET /v1/devices/{endpoint} shows what it runs; boards with the device OS report every 30 seconds.",
                "endpoint",
            )
        return row

    def as_monitor(self, session: Session, row: DriftMonitorRow) -> api.DriftMonitor:
        """A monitor as the API shows it."""
        found = rows.reference(session, row.model, row.version, row.snapshot_sha256)
        job = training_rows.by_id(session, row.job_id) if row.job_id is not None else None
        ended_badly = found is None and job is not None and job.state in {"failed", "cancelled"}
        return api.DriftMonitor(
            id=row.id,
            state="watching" if found is not None else "failed" if ended_badly else "preparing",
            model=row.model,
            version=row.version,
            model_sha256=row.model_sha256,
            snapshot_sha256=row.snapshot_sha256,
            job_id=row.job_id,
            error=api.TrainingFailure.model_validate(job.error) if ended_badly and job and job.error else None,
            action=api.DriftAction.model_validate(row.action),
            reference=_as_reference(Reference.of_json(found.document)) if found is not None else None,
            devices=rows.count_devices(session, row.id),
            open_alarms=len(alarm_rows.open_of_monitor(session, row.id)),
            created_at=row.created_at,
            **row.settings,
        )

    def as_device(self, session: Session, row: DriftDeviceRow) -> api.DriftDevice:
        """Where a device stands, as the API shows it."""
        alarm = alarm_rows.open_of(session, row.monitor_id, row.endpoint)
        return api.DriftDevice(
            endpoint=row.endpoint,
            samples=row.samples,
            windows=row.windows,
            skipped=row.skipped,
            above=row.standing["above"],
            alarm_id=alarm.id if alarm is not None else None,
            updated_at=row.updated_at,
        )

    def as_windows(self, session: Session, row: DriftDeviceRow) -> api.DriftWindows:
        """A device with its windows, as the API shows it."""
        found = rows.windows(session, row.monitor_id, row.endpoint, KEPT_WINDOWS)
        return api.DriftWindows(
            device=self.as_device(session, row),
            windows=[
                api.DriftWindow(
                    number=window.number,
                    samples=window.samples,
                    distributions=_as_distributions(_distributions(window)),
                    comparisons=None if window.comparisons is None else as_comparisons(window.comparisons),
                    opened_at=window.opened_at,
                    closed_at=window.closed_at,
                )
                for window in found
            ],
        )

    def picture(self, session: Session, monitor_id: str, endpoint: str, number: int | None) -> str:
        """A window against the reference as SVG: the newest that was compared, unless `number` names one."""
        monitor = self.monitor(session, monitor_id)
        device = self.device(session, monitor_id, endpoint)
        window = rows.window(session, monitor_id, endpoint, number or max(1, device.windows))
        found = rows.reference(session, monitor.model, monitor.version, monitor.snapshot_sha256)
        if window is None or found is None:
            raise NotFound(
                "drift_window_not_found",
                f"{endpoint} has no window {number or 1} any more, or not yet: the newest {KEPT_WINDOWS} are kept.",
                f"GET /v1/drift-monitors/{monitor_id}/devices/{endpoint} has those that there are.",
                "window",
            )
        reference = Reference.of_json(found.document)
        title = f"{endpoint}: {monitor.model}@{monitor.version}, window {window.number} of {window.samples} inferences"
        return picture(
            title,
            reference.distributions,
            _distributions(window),
            tuple(comparisons_of(window)),
            reference.labels,
        )


def _distributions(window: DriftWindowRow) -> dict[str, Distribution]:
    return {name: Distribution.of_json(item) for name, item in window.distributions.items()}


def _as_reference(reference: Reference) -> api.DriftReference:
    return api.DriftReference(
        task=reference.task,
        split=reference.split,
        samples=reference.samples,
        labels=list(reference.labels),
        distributions=_as_distributions(reference.distributions),
    )


def _as_distributions(found: Mapping[str, Distribution]) -> list[api.DriftDistribution]:
    return [
        api.DriftDistribution(
            statistic=name,
            counts=list(item.counts),
            edges=None if item.edges is None else list(item.edges),
            mean=item.mean,
            deviation=item.deviation,
        )
        for name, item in found.items()
    ]
