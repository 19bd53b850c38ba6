"""The work of an update: drives Object 5's machine by what the device does; each step is written down first."""

import asyncio
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog

from app.services.packages import UpdatePackages
from app.services.update_reading import disagrees, read_firmware, read_report, reason_of
from app.services.updates import record
from app.settings import Settings
from app.storage import builds as build_rows
from app.storage import devices as rows
from app.storage import models as model_rows
from app.storage.blobs import BlobStore
from app.storage.database import Database
from app.storage.tables import UpdateRow, now
from lwm2m.bridge import DeviceBridge
from lwm2m.errors import Lwm2mError, Refused, Rejected
from lwm2m.events import Event as BridgeEvent
from lwm2m.events import Notification, Registered, Updated
from lwm2m.firmware_update import step
from lwm2m.nodes import Resource
from lwm2m.paths import Path
from lwm2m.registration import Registration
from lwm2m.update_progress import (
    CancelRequested,
    Delivery,
    Finish,
    Notified,
    Restarted,
    Started,
    Tick,
    Timing,
    UpdateState,
    UriRenewed,
)
from lwm2m.update_progress import Registered as DeviceRegistered
from lwm2m.update_record import Done, Event, Failed, FirmwareUpdate, Observed, Operation, Severity, new_update
from lwm2m.update_standing import explain
from lwm2m.values import ResourceType

_log = structlog.get_logger(__name__)

STATE, RESULT = Path.of(5, 0, 3), Path.of(5, 0, 5)
PACKAGE_URI, EXECUTE_UPDATE, CANCEL = Path.of(5, 0, 1), Path.of(5, 0, 2), Path.of(5, 0, 10)
SEVERITY, MAX_DEFER = Path.of(5, 0, 11), Path.of(5, 0, 13)
TICK_SECONDS = 0.5
SLOWEST_LINK = 1024
"""Bytes a second that a download may be as slow as before its deadline passes."""


class ServerStopping(BaseException):
    """The server stops in mid-update. No `Exception`: the job engine must not take it for the job's end."""


class UpdateJob:
    """Carries out updates. `drive` is called from job threads; the conversation runs on the server's event loop."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        bridge: DeviceBridge,
        packages: UpdatePackages,
        loop: asyncio.AbstractEventLoop,
        settings: Settings,
        package_base: Callable[[Registration | None], str],
    ) -> None:
        self.database = database
        self.blobs = blobs
        self.bridge = bridge
        self.packages = packages
        self.package_base = package_base
        self.settings = settings
        self._loop = loop
        self._stopping = False

    def drive(self, update_id: str) -> None:
        """Carry an update to its end, from wherever it stands."""
        conversation: Future[None] = asyncio.run_coroutine_threadsafe(Conversation(self, update_id).run(), self._loop)
        while True:
            if self._stopping:
                conversation.cancel()
                raise ServerStopping
            with suppress(FutureTimeoutError):
                return conversation.result(timeout=TICK_SECONDS)

    def stop(self) -> None:
        """Let go of every update; the next process goes on with them."""
        self._stopping = True


class Conversation:
    """One update's exchange with its device."""

    def __init__(self, job: UpdateJob, update_id: str) -> None:
        self._job = job
        self._id = update_id
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._tasks: dict[Operation, asyncio.Task[None]] = {}
        self._sent = 0
        self._row: UpdateRow

    async def run(self) -> None:
        """Until the update has ended."""
        row = await asyncio.to_thread(self._load)
        if row is None or row.finished_at is not None:
            return
        self._row = row
        forget = self._job.bridge.listen(self._heard)
        try:
            await self._converse(await self._resume(row))
        finally:
            forget()
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _resume(self, row: UpdateRow) -> FirmwareUpdate:
        at = time.time()
        if row.machine is not None:
            self._queue.put_nowait(Restarted(at))
            return FirmwareUpdate.from_json(row.machine)
        limit = float(self._job.settings.update_seconds)
        timing = Timing(
            downloading=limit + row.bytes_total / SLOWEST_LINK,
            downloaded=limit,
            updating=limit,
            verifying=limit,
            poll=2.0,
            settle=3.0,
            backoff=5.0,
        )
        try:
            registration = await self._registration()
        except Lwm2mError as error:  # the server behind the bridge is away: the device is heard when it is back
            _log.warning("devices cannot be listed", update_id=self._id, error=str(error))
            registration = None
        update = new_update(
            row.expected_version,
            Delivery(row.delivery),
            at,
            package_uri=f"{self._job.package_base(registration)}/{row.token}",
            seed=secrets.randbits(32),
            severity=None if row.severity is None else Severity[row.severity.upper()],
            max_defer=row.max_defer_seconds,
            timing=timing,
        )
        await asyncio.to_thread(self._save, update, None)
        if registration is not None:
            self._queue.put_nowait(Started(at))
        return update

    async def _registration(self) -> Registration | None:
        registrations = await self._job.bridge.registrations()
        return next((each for each in registrations if each.endpoint == self._row.endpoint), None)

    async def _converse(self, update: FirmwareUpdate) -> None:
        while True:
            event = await self._next(update)
            try:
                following, actions = step(update, event)
            except Refused as refusal:
                await asyncio.to_thread(self._refuse_cancel, str(refusal))
                continue
            finish = next((action for action in actions if isinstance(action, Finish)), None)
            if finish is not None:
                report = await read_report(self._job.bridge, self._row.endpoint) if following.attempt else None
                await asyncio.to_thread(self._end, following, report)
                return
            if following != update or self._sent != self._row.bytes_sent:
                await asyncio.to_thread(self._save, following, event)
            update = following
            for action in actions:
                if isinstance(action, Operation):
                    self._begin(action, update)

    async def _next(self, update: FirmwareUpdate) -> Event:
        try:
            return await asyncio.wait_for(self._queue.get(), TICK_SECONDS)
        except TimeoutError:
            row = await asyncio.to_thread(self._load)
            if row is not None and row.cancel_requested and not update.cancelling:
                return CancelRequested(time.time())
            if update.delivery is Delivery.PULL:
                self._sent = self._job.packages.served(self._row.token)
            return Tick(time.time())

    def _heard(self, event: BridgeEvent) -> None:
        if isinstance(event, Registered) and event.registration.endpoint == self._row.endpoint:
            self._queue.put_nowait(DeviceRegistered(time.time()))
        elif isinstance(event, Updated) and event.registration.endpoint == self._row.endpoint:
            if self._row.state == UpdateState.PENDING.value:
                self._queue.put_nowait(Started(time.time()))
        elif isinstance(event, Notification) and event.endpoint == self._row.endpoint and event.path.ids[0] == 5:
            self._queue.put_nowait(Notified(time.time()))

    def _begin(self, operation: Operation, update: FirmwareUpdate) -> None:
        if operation is Operation.STOP_TRANSFER:
            transfer = self._tasks.pop(Operation.WRITE_PACKAGE, None)
            if transfer is not None:
                transfer.cancel()
            return
        running = self._tasks.get(operation)
        if running is None or running.done():
            self._tasks[operation] = asyncio.create_task(self._perform(operation, update))

    async def _perform(self, operation: Operation, update: FirmwareUpdate) -> None:
        try:
            outcome = await self._carry_out(operation, update)
        except Lwm2mError as error:
            outcome = Failed(time.time(), operation, str(error), rejected=isinstance(error, Rejected))
        self._queue.put_nowait(outcome)

    async def _carry_out(self, operation: Operation, update: FirmwareUpdate) -> Event:
        bridge, endpoint = self._job.bridge, self._row.endpoint
        match operation:
            case Operation.READ:
                return await read_firmware(bridge, endpoint)
            case Operation.OBSERVE:
                (await bridge.observe(endpoint, STATE)).require_success()
                (await bridge.observe(endpoint, RESULT)).require_success()
            case Operation.WRITE_PACKAGE:
                package = await asyncio.to_thread(self._job.blobs.get, self._row.artifact_sha256)
                (await bridge.push_package(endpoint, package, self._progress)).require_success()
            case Operation.WRITE_URI:
                uri = Resource(1, ResourceType.STRING, update.package_uri)
                (await bridge.write(endpoint, PACKAGE_URI, uri)).require_success()
            case Operation.RENEW_URI:
                token = await asyncio.to_thread(self._renew_token)
                return UriRenewed(time.time(), f"{self._job.package_base(await self._registration())}/{token}")
            case Operation.WRITE_POLICY:
                for path, kind, value in (
                    (SEVERITY, ResourceType.INTEGER, update.severity),
                    (MAX_DEFER, ResourceType.UNSIGNED_INTEGER, update.max_defer),
                ):
                    if value is not None:
                        wish = Resource(path.ids[-1], kind, value)
                        (await bridge.write(endpoint, path, wish)).require_success()
            case Operation.RESET:
                empty = Resource(1, ResourceType.STRING, "")
                (await bridge.write(endpoint, PACKAGE_URI, empty)).require_success()
            case Operation.EXECUTE_UPDATE:
                (await bridge.execute(endpoint, EXECUTE_UPDATE)).require_success()
            case Operation.EXECUTE_CANCEL:
                (await bridge.execute(endpoint, CANCEL)).require_success()
        return Done(time.time(), operation)

    def _progress(self, sent: int) -> None:
        self._sent = sent

    # --- the database, from threads --------------------------------------------------------------------------------

    def _load(self) -> UpdateRow | None:
        with self._job.database.read() as session:
            return rows.update(session, self._id)

    def _save(self, update: FirmwareUpdate, event: Event | None) -> None:
        with self._job.database.write() as transaction:
            row = rows.update(transaction.session, self._id)
            if row is None:
                raise LookupError(f"update {self._id} is gone")
            before = row.state
            self._copy(update, row, event)
            if update.state is UpdateState.DOWNLOADING and before != row.state:
                row.started_at = row.started_at or now()
            if before != row.state or (update.retry and row.reason != update.reason):
                record(transaction.session, row, explain(update).now)
            elif isinstance(event, Failed) and event.operation is Operation.WRITE_POLICY and event.rejected:
                record(transaction.session, row, update.reason)
            row.reason = update.reason or None
            transaction.session.add(row)
        self._row = row

    def _copy(self, update: FirmwareUpdate, row: UpdateRow, event: Event | None) -> None:
        row.machine = update.to_json()
        row.state = update.state.value.replace("_", "-")
        row.result = update.result
        row.bytes_sent = min(max(row.bytes_sent, self._sent), row.bytes_total)
        row.deadline_at = datetime.fromtimestamp(update.deadline, UTC)
        if isinstance(event, Observed):
            row.reported_version = event.version

    def _renew_token(self) -> str:
        """A new address for the package; the one before is void from now on."""
        token = secrets.token_urlsafe(24)
        with self._job.database.write() as transaction:
            row = rows.update(transaction.session, self._id)
            if row is None:
                raise LookupError(f"update {self._id} is gone")
            before, row.token = row.token, token
            transaction.session.add(row)
        self._row = row
        self._job.packages.forget(before)
        return token

    def _refuse_cancel(self, text: str) -> None:
        with self._job.database.write() as transaction:
            row = rows.update(transaction.session, self._id)
            if row is not None:
                row.cancel_requested = False
                record(transaction.session, row, f"The cancellation came too late: {text}.")
                transaction.session.add(row)

    def _end(self, update: FirmwareUpdate, report: dict[str, Any] | None) -> None:
        with self._job.database.write() as transaction:
            session = transaction.session
            row = rows.update(session, self._id)
            if row is None:
                raise LookupError(f"update {self._id} is gone")
            self._copy(update, row, None)
            row.report, row.reason = report, reason_of(update, report)
            artifact = build_rows.artifact(session, row.artifact_sha256)
            version = model_rows.version(session, artifact.model, artifact.version) if artifact else None
            if update.state is UpdateState.SUCCEEDED and version is not None and disagrees(report, version.golden):
                row.state = UpdateState.FAILED.value
                row.reason = "The device says that it succeeded, but the outputs that it reports are not the model's."
            device = rows.by_endpoint(session, row.endpoint)
            if row.state == UpdateState.SUCCEEDED.value:
                row.reported_version = row.expected_version
                row.bytes_sent = row.bytes_total
                if device is not None:
                    device.artifact_sha256 = row.artifact_sha256
                    device.firmware_version = row.expected_version
                    session.add(device)
            row.finished_at, row.deadline_at = now(), None
            record(session, row, row.reason)
            session.add(row)
        self._job.packages.forget(row.token)
        _log.info("update ended", update_id=self._id, state=row.state, reason=row.reason)
