"""The job of an update: picks the driver of its kind, and holds the conversation on the server's event loop."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from app.services.conversation import TICK_SECONDS, Conversation
from app.services.device_link import DeviceLink
from app.services.firmware_driver import FirmwareDriver
from app.services.packages import UpdatePackages
from app.services.ports import BROKEN_OFF
from app.services.software_driver import SoftwareDriver
from app.services.update_ledger import UpdateLedger
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.storage.database import Database
from app.storage.tables import UpdateRow
from lwm2m.bridge import DeviceBridge
from lwm2m.registration import Registration


class ServerStopping(BaseException):
    """The server stops in mid-update. No `Exception`: the job engine must not take it for the job's end."""


class UpdateJob:
    """Carries out updates. `drive` is called from job threads."""

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
        self._database = database
        self._blobs = blobs
        self._bridge = bridge
        self._packages = packages
        self._package_base = package_base
        self._settings = settings
        self._loop = loop
        self._stopping = False

    def drive(self, update_id: str) -> None:
        """Carry an update to its end, from wherever it stands."""
        ledger = UpdateLedger(self._database, self._packages, update_id)
        row = ledger.load()
        if row is None or row.finished_at is not None:
            return None
        conversation: Future[None] = asyncio.run_coroutine_threadsafe(self._conversation(row, ledger), self._loop)
        while True:
            if self._stopping:
                conversation.cancel()
                raise ServerStopping
            try:
                return conversation.result(timeout=TICK_SECONDS)
            except FutureTimeoutError:
                if conversation.done():  # it is the conversation's own
                    raise
            except CancelledError as error:  # the loop ends before this thread has seen that the server stops
                raise ServerStopping from error

    def give_up(self, update_id: str) -> None:
        """End an update that broke off with an error that nobody foresaw: its device is free for another one."""
        UpdateLedger(self._database, self._packages, update_id).break_off(BROKEN_OFF["detail"])

    def stop(self) -> None:
        """Let go of every update; the next process goes on with them."""
        self._stopping = True

    def _conversation(self, row: UpdateRow, ledger: UpdateLedger) -> Coroutine[Any, Any, None]:
        link = DeviceLink(self._bridge, self._blobs, self._packages, self._package_base, row, ledger)
        seconds = float(self._settings.update_seconds)
        if row.instance is not None:
            return Conversation(link, ledger, SoftwareDriver(row.instance), seconds).run()
        return Conversation(link, ledger, FirmwareDriver(), seconds).run()
