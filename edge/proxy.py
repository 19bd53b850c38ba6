"""The flasher proxy: an LwM2M device that stands for the microcontroller behind it.

To the server it is the board: Object 3 shows the version that the board runs, Object 5 takes packages by push and by
pull, and after an update it registers anew, as a device that has rebooted. Object 26241 explains (edge.board_object).
"""

import asyncio
import logging
from collections.abc import Coroutine
from pathlib import Path as FilePath

from edge.board_object import board_object
from edge.download import DownloadError, download
from edge.mcuboot import ImageRefused
from edge.package_file import PackageFile
from edge.update_report import UpdateReport
from edge.updater import Recovered, Updater
from lwm2m.client import Lwm2mClient, Settings
from lwm2m.client.firmware import FirmwareObject
from lwm2m.client.standard import Device, device_object
from lwm2m.errors import Refused
from lwm2m.firmware import FirmwareState, UpdateResult
from lwm2m.firmware_device import Action, DeviceUpdate, DownloadDone, DownloadFailed, FlashFailed, FlashOk
from lwm2m.messages import Code
from lwm2m.paths import Path

EMPTY_VERSION = "0.0.0"

_log = logging.getLogger(__name__)


class FlasherProxy:
    """Joins the updater of one board with an LwM2M client. `run` until cancelled, then `stop`."""

    def __init__(self, updater: Updater, board: str, slot_size: int, folder: FilePath, serial: str) -> None:
        self._updater = updater
        self._slot_size = slot_size
        self._pulled = folder / "pull.part"
        self._pushed = folder / "push.part"
        self._board_busy = asyncio.Lock()
        self._generation = 0
        self._pull: asyncio.Task[None] | None = None
        self._work: asyncio.Queue[Coroutine[None, None, None]] = asyncio.Queue()
        self._client: Lwm2mClient | None = None
        self._firmware = FirmwareObject(
            DeviceUpdate(),
            PackageFile(self._pushed, slot_size),
            perform=self._perform,
            notify=self._notify,
        )
        device = Device("TinyMLaaS", board, serial, "flasher-proxy", self.version, self._reboot)
        self._instances = (
            device_object(device),
            self._firmware.instance(self._package_name, self._package_version),
            board_object(updater, board),
        )

    @property
    def client(self) -> Lwm2mClient:
        """The LwM2M client, once started."""
        if self._client is None:
            raise RuntimeError("the proxy is not started")
        return self._client

    def version(self) -> str:
        """The version that the board proved to run; 0.0.0 when it runs nothing."""
        running = self._updater.running
        return str(running.report.version) if running is not None else EMPTY_VERSION

    async def run(self, settings: Settings) -> None:
        """Recover the board, stay registered and do what the server asks for; a defect in either ends both."""
        await self._start(settings)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.client.run())
            while True:
                group.create_task(await self._work.get())

    async def stop(self) -> None:
        """De-register and cut the board's power."""
        if self._client is not None:
            await self._client.stop()
        await self._updater.power_off()
        while not self._work.empty():
            self._work.get_nowait().close()

    async def _start(self, settings: Settings) -> None:
        self._pushed.unlink(missing_ok=True)
        self._pulled.unlink(missing_ok=True)
        recovered = await self._updater.recover()
        state = FirmwareState.DOWNLOADED if recovered is Recovered.DOWNLOADED else FirmwareState.IDLE
        self._firmware.update = DeviceUpdate(state, self._updater.record.result)
        self._client = await Lwm2mClient.start(settings, self._instances)
        _log.info("agent started endpoint=%s version=%s state=%s", settings.endpoint, self.version(), state.name)

    def _perform(self, action: Action) -> None:
        match action:
            case Action.CHECK_PACKAGE:
                self._work.put_nowait(self._check(self._pushed, self._generation))
            case Action.START_DOWNLOAD:
                self._work.put_nowait(self._fetch(self._firmware.update.package_uri, self._generation))
            case Action.STOP_DOWNLOAD:
                self._generation += 1
                if self._pull is not None:
                    self._pull.cancel()
            case Action.DISCARD_PACKAGE:
                if not self._board_busy.locked():
                    self._settle()
            case Action.FLASH:
                self._work.put_nowait(self._install())

    async def _fetch(self, uri: str, generation: int) -> None:
        if generation != self._generation:
            return
        _log.info("download started uri=%s", uri)
        self._updater.drop(UpdateResult.INITIAL)
        pull = asyncio.create_task(download(uri, self._pulled, self._slot_size, self.client.context))
        self._pull = pull
        try:
            await asyncio.wait({pull})
        finally:
            pull.cancel()
            self._pull = None
        if pull.cancelled() or generation != self._generation:
            _log.info("download stopped")
            return
        error = pull.exception()
        if isinstance(error, DownloadError):
            _log.warning("download failed result=%d reason=%s", error.result, error)
            self._updater.drop(error.result, UpdateReport.not_downloaded(error.result, str(error)))
            self._firmware.step(DownloadFailed(error.result))
            return
        if error is not None:
            raise error
        await self._check(self._pulled, generation)

    async def _check(self, package: FilePath, generation: int) -> None:
        """Verify a complete package; what was cancelled meanwhile is dropped."""
        async with self._board_busy:
            if generation != self._generation:
                return
            try:
                image = await self._updater.receive(package)
            except ImageRefused as refusal:
                _log.warning("package refused result=%d reason=%s", refusal.result, refusal)
                outcome: DownloadDone | DownloadFailed = DownloadFailed(refusal.result)
            else:
                _log.info("package verified version=%s counter=%d", image.version, image.security_counter)
                outcome = DownloadDone()
            if generation == self._generation:
                self._firmware.step(outcome)
            self._settle()

    async def _install(self) -> None:
        async with self._board_busy:
            report = await self._updater.install()
        _log.info("update ended verdict=%s result=%d reason=%s", report.verdict, report.result, report.reason)
        succeeded = report.result == UpdateResult.SUCCESS
        self._firmware.step(FlashOk() if succeeded else FlashFailed(report.result))
        self.client.register_again()

    async def _reboot(self) -> None:
        if self._firmware.update.state is FirmwareState.UPDATING:
            raise Refused(Code.METHOD_NOT_ALLOWED, "the update is being installed")
        self._work.put_nowait(self._reset_board())

    async def _reset_board(self) -> None:
        async with self._board_busy:
            await self._updater.reset_board()
            self._settle()
        self.client.register_again()

    def _settle(self) -> None:
        """Bring the journal to what the machine says, when an update ended without being installed."""
        update = self._firmware.update
        if update.state is FirmwareState.IDLE and (
            self._updater.candidate is not None or self._updater.record.result != update.result
        ):
            self._updater.drop(update.result)

    def _package_name(self) -> str:
        image = self._updater.candidate or (self._updater.running.image if self._updater.running else None)
        return f"{image.board} {image.model_sha256[:12]}" if image is not None else ""

    def _package_version(self) -> str:
        image = self._updater.candidate or (self._updater.running.image if self._updater.running else None)
        return str(image.version) if image is not None else ""

    def _notify(self, path: Path) -> None:
        self.client.notify(path)
