"""One update's exchange with its device: events into the machine, its operations out, each step written down first."""

import asyncio
import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

import structlog

from app.services.device_link import DeviceLink
from app.services.device_reading import DeviceIdentity, read_identity, read_inference
from app.services.update_ledger import Evidence, UpdateLedger
from app.services.update_reading import read_report
from app.storage.tables import UpdateRow
from lwm2m import software_record, update_record
from lwm2m.errors import Lwm2mError, Refused
from lwm2m.events import Event as BridgeEvent
from lwm2m.events import Notification, Registered, Updated
from lwm2m.update_progress import (
    CancelRequested,
    Delivery,
    Finish,
    Notified,
    Restarted,
    Standing,
    Started,
    Tick,
    Timing,
    UpdateProgress,
    UpdateState,
)
from lwm2m.update_progress import Registered as DeviceRegistered

_log = structlog.get_logger(__name__)

TICK_SECONDS = 0.5
SLOWEST_LINK = 1024
"""Bytes a second that a download may be as slow as before its deadline passes."""

Happening = Started | DeviceRegistered | Restarted | Notified | Tick | CancelRequested
"""What happens to an update whichever object carries it."""

Record = TypeVar("Record", bound=UpdateProgress)
Outcome = TypeVar("Outcome")


class UpdateDriver(Protocol[Record, Outcome]):
    """An object of LwM2M that updates a device: its machine, and how the machine's operations are carried out."""

    object_id: int
    transfer: StrEnum
    """The operation that pushes the package."""
    stop: StrEnum
    """The operation that aborts it."""

    def begin(self, row: UpdateRow, at: float, package_uri: str, timing: Timing) -> Record:
        """The record of an update that has not begun."""

    def restore(self, data: Mapping[str, object]) -> Record:
        """The record as it was stored."""

    def step(self, update: Record, event: Happening | Outcome) -> tuple[Record, tuple[StrEnum | Finish, ...]]:
        """The machine's step; raises Refused for a cancellation that comes too late."""

    def explain(self, update: Record) -> Standing:
        """Where the update stands."""

    def failed(self, operation: StrEnum, error: Lwm2mError) -> Outcome:
        """What the machine is told of an operation that the device refused or did not answer."""

    def remark(self, update: Record, event: Happening | Outcome) -> str | None:
        """What an operator should read though it changes no state."""

    async def carry_out(self, link: DeviceLink, operation: StrEnum, update: Record) -> Outcome:
        """Perform an operation; raises Lwm2mError."""


class Conversation(Generic[Record, Outcome]):
    """`run` until the update has ended; a cancelled conversation is taken up where it stood by another one."""

    def __init__(
        self, link: DeviceLink, ledger: UpdateLedger, driver: UpdateDriver[Record, Outcome], seconds: float
    ) -> None:
        self._link = link
        self._ledger = ledger
        self._driver = driver
        self._seconds = seconds
        self._queue: asyncio.Queue[Happening | Outcome] = asyncio.Queue()
        self._tasks: dict[StrEnum, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until the update has ended."""
        forget = self._link.bridge.listen(self._heard)
        try:
            await self._converse(await self._resume())
        finally:
            forget()
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _resume(self) -> Record:
        at, row = time.time(), self._link.row
        if row.machine is not None:
            self._queue.put_nowait(Restarted(at))
            return self._driver.restore(row.machine)
        limit = self._seconds
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
            registration = await self._link.registration()
        except Lwm2mError as error:  # the server behind the bridge is away: the device is heard when it is back
            _log.warning("devices cannot be listed", update_id=row.id, error=str(error))
            registration = None
        update = self._driver.begin(row, at, self._link.uri(registration), timing)
        await self._save(update, None)
        if registration is not None:
            self._queue.put_nowait(Started(at))
        return update

    async def _converse(self, update: Record) -> None:
        while True:
            event = await self._next(update)
            try:
                following, actions = self._driver.step(update, event)
            except Refused as refusal:
                await asyncio.to_thread(self._ledger.refuse_cancel, str(refusal))
                continue
            if any(isinstance(action, Finish) for action in actions):
                evidence = await self._evidence(following)
                await asyncio.to_thread(self._ledger.end, following, self._link.sent, evidence)
                return
            if following != update or self._link.sent != self._link.row.bytes_sent:
                await self._save(following, event)
            update = following
            for action in actions:
                if isinstance(action, StrEnum):
                    self._begin(action, update)

    async def _evidence(self, update: Record) -> Evidence:
        """What the device says of an update that has come to its end."""
        bridge, endpoint = self._link.bridge, self._link.endpoint
        report = await read_report(bridge, endpoint) if update.attempt else None
        try:
            registration = await self._link.registration()
            identity: DeviceIdentity | None = None
            if registration is not None:
                identity = await read_identity(bridge, endpoint, registration.instances)
            return Evidence(report, identity, await read_inference(bridge, endpoint))
        except Lwm2mError as error:
            _log.info("the device did not say what it runs", endpoint=endpoint, error=str(error))
            return Evidence(report)

    async def _next(self, update: Record) -> Happening | Outcome:
        try:
            return await asyncio.wait_for(self._queue.get(), TICK_SECONDS)
        except TimeoutError:
            row = await asyncio.to_thread(self._ledger.load)
            if row is not None and row.cancel_requested and not update.cancelling:
                return CancelRequested(time.time())
            if update.delivery is Delivery.PULL:
                self._link.note_pulled()
            return Tick(time.time())

    def _heard(self, event: BridgeEvent) -> None:
        endpoint = self._link.endpoint
        if isinstance(event, Registered) and event.registration.endpoint == endpoint:
            self._queue.put_nowait(DeviceRegistered(time.time()))
        elif isinstance(event, Updated) and event.registration.endpoint == endpoint:
            if self._link.row.state == UpdateState.PENDING.value:
                self._queue.put_nowait(Started(time.time()))
        elif (
            isinstance(event, Notification)
            and event.endpoint == endpoint
            and event.path.ids[0] == self._driver.object_id
        ):
            self._queue.put_nowait(Notified(time.time()))

    def _begin(self, operation: StrEnum, update: Record) -> None:
        if operation is self._driver.stop:
            transfer = self._tasks.pop(self._driver.transfer, None)
            if transfer is not None:
                transfer.cancel()
            return
        running = self._tasks.get(operation)
        if running is None or running.done():
            self._tasks[operation] = asyncio.create_task(self._perform(operation, update))

    async def _perform(self, operation: StrEnum, update: Record) -> None:
        try:
            outcome = await self._driver.carry_out(self._link, operation, update)
        except Lwm2mError as error:
            outcome = self._driver.failed(operation, error)
        except Exception as error:  # noqa: BLE001 - the machine has to hear of it, or it waits for the deadline
            _log.error("an operation broke off", update_id=self._link.row.id, operation=operation, exc_info=error)
            told = Lwm2mError(f"The server could not carry out {operation}; its log says why.")
            outcome = self._driver.failed(operation, told)
        self._queue.put_nowait(outcome)

    async def _save(self, update: Record, event: Happening | Outcome | None) -> None:
        version = event.version if isinstance(event, update_record.Observed | software_record.Observed) else None
        self._link.row = await asyncio.to_thread(
            self._ledger.save,
            update,
            sent=self._link.sent,
            now_says=self._driver.explain(update).now,
            version=version,
            remark=None if event is None else self._driver.remark(update, event),
        )
