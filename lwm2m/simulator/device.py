"""One simulated device: the client library over Objects 1, 3, 4, 5, 9 and a thermometer, with at most one fault."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass

from lwm2m.client import ClientResource, Lwm2mClient, ObjectInstance, Settings
from lwm2m.client.firmware import STATE, FirmwareObject
from lwm2m.client.pull import PullError, pull
from lwm2m.client.software import SoftwareObject
from lwm2m.client.standard import Device, connectivity_object, constant, device_object
from lwm2m.client.tree import ObjectTree
from lwm2m.firmware import FirmwareState, UpdateResult
from lwm2m.firmware_device import Action, DeviceUpdate, DownloadDone, DownloadFailed, FlashFailed, FlashOk
from lwm2m.nodes import Resource
from lwm2m.paths import Path
from lwm2m.simulator.faults import Fault
from lwm2m.simulator.package import HashStore
from lwm2m.simulator.site import FaultySite
from lwm2m.software import SoftwareResult, SoftwareState
from lwm2m.software_device import Action as SoftwareAction
from lwm2m.software_device import (
    DeviceSoftware,
    InstallFailed,
    InstallOk,
    PackageVerified,
)
from lwm2m.software_device import DownloadDone as SoftwareArrived
from lwm2m.software_device import DownloadFailed as SoftwareLost
from lwm2m.values import ResourceType

ETHERNET = 41
TEMPERATURE = Path.of(3303, 0, 5700)
DEAF_SECONDS = 3.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Profile:
    """What all devices of a simulation have in common. Times in seconds."""

    version: str = "1.0.0"
    model_version: str = "1.0.0"
    install_seconds: float = 0.5
    telemetry_seconds: float | None = None
    restless_seconds: float = 4.0  # between two reboots or two ports of a device with such a fault


class SimulatedDevice:
    """`run` until cancelled, then `stop`. What happens is counted in `counts`, by name."""

    def __init__(self, settings: Settings, profile: Profile, fault: Fault | None, seed: str) -> None:
        self.settings = settings
        self.fault = fault
        self.version = profile.version
        self.model_version = profile.model_version
        self.received: list[str] = []  # SHA-256 of each complete package
        self.counts: Counter[str] = Counter()
        self.client: Lwm2mClient | None = None
        self._profile = profile
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._tasks: asyncio.TaskGroup | None = None
        self._pull: asyncio.Task[None] | None = None
        self._fresh = True  # the fault of the first time was not played yet
        self._drop_after = 1024 * self._random.randrange(1, 4)
        self._temperature = 20.0
        self._image, self._package = HashStore(self._watch_firmware), HashStore(lambda _size: None)
        state = FirmwareState.DOWNLOADING if fault is Fault.STARTS_DOWNLOADING else FirmwareState.IDLE
        self.firmware = FirmwareObject(DeviceUpdate(state), self._image, perform=self._perform, notify=self._notify)
        software = DeviceSoftware(
            SoftwareState.INSTALLED,
            SoftwareResult.INSTALLED,
            active=True,
            installed=True,
            takes_beside=fault is not Fault.ONE_SLOT,
        )
        self.software = SoftwareObject(software, self._package, perform=self._perform_software, notify=self._notify)

    @property
    def registered(self) -> bool:
        """Whether the server has accepted its registration."""
        return self.client is not None and self.client.registered.is_set()

    async def start(self) -> None:
        """Open the socket."""
        device = Device(
            "TinyMLaaS", "simulator", self.settings.endpoint, "simulated", lambda: self.version, self._reboot
        )
        instances = (
            device_object(device),
            connectivity_object(ETHERNET, lambda: {0: "127.0.0.1"}, lambda: -50),
            self.firmware.instance(lambda: "firmware", lambda: self.version),
            self.software.instance(lambda: "model", lambda: self.model_version),
            ObjectInstance(
                TEMPERATURE.ids[0],
                TEMPERATURE.ids[1],
                {
                    TEMPERATURE.ids[2]: ClientResource(ResourceType.FLOAT, read=lambda: self._temperature),
                    5701: constant(ResourceType.STRING, "Cel"),
                },
            ),
        )
        self.client = await Lwm2mClient.start(self.settings, instances, site=self._site)

    async def run(self) -> None:
        """Register, stay registered, and do what the server asks for; returns when the device vanishes."""
        client = self._client
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(client.run())
                if self._profile.telemetry_seconds is not None:
                    tasks.create_task(self._measure(self._profile.telemetry_seconds))
                if self.fault in (Fault.MOVES_PORT, Fault.REBOOT_LOOP, Fault.GARBAGE):
                    tasks.create_task(self._restless())
        except* _Gone:
            await client.vanish()
            client.registered.clear()
        finally:
            self._tasks = None

    async def stop(self) -> None:
        """De-register and close the socket, unless it vanished before."""
        if self.client is not None:
            await self.client.stop()

    @property
    def _client(self) -> Lwm2mClient:
        if self.client is None:
            raise RuntimeError("the device is not started")
        return self.client

    def _site(self, tree: ObjectTree) -> FaultySite:
        return FaultySite(tree, self.fault, self._random, self._block_arrived)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        if self._tasks is None:
            work.close()  # the device is being stopped
        else:
            self._tasks.create_task(work)

    def _notify(self, path: Path) -> None:
        if self.client is not None and self.fault is not Fault.NO_NOTIFY:
            self.client.notify(path)

    def _watch_firmware(self, size: int) -> None:
        """Called with each pulled or pushed block."""
        drops = self.fault is Fault.DROP_MID_DOWNLOAD and self._fresh and size > self._drop_after
        if drops and self._pull is not None:
            self._fresh = False
            self.counts["dropped"] += 1
            raise PullError(UpdateResult.CONNECTION_LOST, "the simulated network is gone")

    def _block_arrived(self, number: int) -> None:
        """Called by the site before a pushed block is taken."""
        if self.fault is Fault.DROP_MID_DOWNLOAD and self._fresh and 1024 * number >= self._drop_after:
            self._fresh = False
            self.counts["dropped"] += 1
            self._client.connection.sleep.deafen(DEAF_SECONDS)
            self._client.site.drop_package()

    def _perform(self, action: Action) -> None:
        match action:
            case Action.CHECK_PACKAGE:
                self._spawn(self._check())
            case Action.START_DOWNLOAD:
                self._spawn(self._fetch(self.firmware.update.package_uri))
            case Action.STOP_DOWNLOAD if self._pull is not None:
                self._pull.cancel()
            case Action.FLASH:
                self._spawn(self._install())
            case _:
                pass  # there is nothing to discard: only a hash was kept

    async def _fetch(self, uri: str) -> None:
        self.counts["pulls"] += 1
        task = self._pull = asyncio.create_task(pull(uri, self._image, self._client.context))
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
            self._pull = None
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, PullError):
            self.firmware.step(DownloadFailed(error.result))
        elif error is not None:
            raise error
        else:
            await self._check()

    async def _check(self) -> None:
        # The answer to the last block goes out first: a device says 2.04 and rejects afterwards.
        await asyncio.sleep(0)
        self.counts["downloads"] += 1
        self.received.append(self._image.sha256)
        if self.fault is Fault.REJECT:
            self.counts["rejected"] += 1
            self.firmware.step(DownloadFailed(UpdateResult.INTEGRITY_FAILURE))
            return
        self.firmware.step(DownloadDone())
        if self.fault is Fault.FORGETS and self._fresh:
            self._fresh = False
            self._forget()
            self._client.register_again()

    def _forget(self) -> None:
        self.counts["reboots"] += 1
        self.firmware.update = DeviceUpdate()

    async def _install(self) -> None:
        self.counts["installs"] += 1
        if self.fault is Fault.VANISH:
            self.counts["vanished"] += 1
            await asyncio.sleep(0.1)  # the answer to the execute leaves first
            raise _Gone
        if self.fault is Fault.DEFERS and self._fresh:
            self._fresh = False
            self.firmware.update = DeviceUpdate(FirmwareState.DOWNLOADED, UpdateResult.DEFERRED)
            self._notify(STATE)
            return
        await asyncio.sleep(self._profile.install_seconds * self._random.uniform(0.5, 1.5))
        if self.fault is Fault.ROLLS_BACK:
            self.firmware.step(FlashFailed())
        else:
            self.version = "0.0.1" if self.fault is Fault.WRONG_VERSION else self._image.version
            self.firmware.step(FlashOk())
        self.counts["reboots"] += 1
        self._client.register_again()

    def _perform_software(self, action: SoftwareAction) -> None:
        match action:
            case SoftwareAction.START_DOWNLOAD:
                self._spawn(self._fetch_software(self.software.software.package_uri))
            case SoftwareAction.STOP_DOWNLOAD if self._pull is not None:
                self._pull.cancel()
            case SoftwareAction.CHECK_PACKAGE:
                self._spawn(self._check_software())
            case SoftwareAction.INSTALL:
                self._spawn(self._install_software())
            case SoftwareAction.REMOVE:
                self.model_version = ""
            case _:
                pass  # activation is the state itself, and there is nothing to discard

    async def _fetch_software(self, uri: str) -> None:
        self.counts["pulls"] += 1
        task = self._pull = asyncio.create_task(pull(uri, self._package, self._client.context))
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
            self._pull = None
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, PullError):
            self.software.step(SoftwareLost(SoftwareResult.CONNECTION_LOST))
        elif error is not None:
            raise error
        else:
            self.software.step(SoftwareArrived())

    async def _check_software(self) -> None:
        await asyncio.sleep(0)
        self.counts["downloads"] += 1
        self.received.append(self._package.sha256)
        bad = self.fault is Fault.REJECT
        self.software.step(SoftwareLost(SoftwareResult.INTEGRITY_FAILURE) if bad else PackageVerified())

    async def _install_software(self) -> None:
        self.counts["installs"] += 1
        await asyncio.sleep(self._profile.install_seconds)
        if self.fault is Fault.ROLLS_BACK:
            self.software.step(InstallFailed())
            return
        self.model_version = "0.0.1" if self.fault is Fault.WRONG_VERSION else self._package.version
        self.software.step(InstallOk())

    async def _reboot(self) -> None:
        self.counts["reboots"] += 1
        self._client.register_again()

    async def _measure(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds * self._random.uniform(0.8, 1.2))
            self._temperature = round(self._temperature + self._random.uniform(-0.5, 0.5), 2)
            self._notify(TEMPERATURE)
            if self.registered:
                value = Resource(TEMPERATURE.ids[2], ResourceType.FLOAT, self._temperature)
                self.counts["sent" if await self._client.send({TEMPERATURE: value}) else "unsent"] += 1

    async def _restless(self) -> None:
        while True:
            await asyncio.sleep(self._profile.restless_seconds * self._random.uniform(0.5, 1.5))
            if not self.registered:
                continue
            match self.fault:
                case Fault.MOVES_PORT:
                    self.counts["moves"] += 1
                    await self._client.move()
                case Fault.REBOOT_LOOP:
                    self._forget()
                    self._client.register_again()
                case _:
                    self.counts["garbage"] += 1
                    await self._client.connection.send_raw(self._random.randbytes(self._random.randrange(1, 64)))


class _Gone(Exception):
    """The device has no power any more."""
