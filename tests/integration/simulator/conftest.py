"""A server, a fleet of simulated devices, and a driver that carries out what the update machines ask for."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from lwm2m import firmware_update, software_record, software_update, update_progress, update_record
from lwm2m.errors import CodecError, DeviceTimeout, Lwm2mError, Rejected
from lwm2m.events import Notification, Registered
from lwm2m.firmware import FirmwareState
from lwm2m.nodes import Instance, Resource
from lwm2m.paths import Path
from lwm2m.server import Lwm2mServer
from lwm2m.simulator import Fault, SimulatedDevice, Simulator
from lwm2m.simulator.device import Profile
from lwm2m.software import SoftwareState
from lwm2m.update_progress import Delivery, Finish, Started, Tick, Timing
from lwm2m.values import ResourceType

TIMING = Timing(
    pending=6, downloading=30, downloaded=20, updating=4, verifying=10, deferred=20, defer=0.5, poll=0.25,
    settle=0.8, backoff=0.2,
)  # fmt: skip
PACKAGE = b"version:2.0.0\n" + bytes(index * 31 % 251 for index in range(40_000))
SHA = hashlib.sha256(PACKAGE).hexdigest()


class Packages:
    """Serves PACKAGE under any token."""

    size = len(PACKAGE)
    etag = b"v1"

    async def open(self, token: str) -> "Packages":
        del token
        return self

    async def read(self, offset: int, length: int) -> bytes:
        return PACKAGE[offset : offset + length]


@pytest.fixture
async def server() -> AsyncIterator[Lwm2mServer]:
    async with Lwm2mServer(port=0, packages=Packages()) as server:
        yield server


class Driver:
    """Performs the operations of one update on the server, and feeds back what comes of them."""

    def __init__(self, server: Lwm2mServer, endpoint: str, delivery: Delivery, *, software: bool) -> None:
        self.server, self.endpoint = server, endpoint
        uri = f"coap://127.0.0.1:{server.port}/fw/token"
        new: Callable[..., Any] = software_record.new_software_update if software else update_record.new_update
        self.update: Any = new("2.0.0", delivery, time.time(), package_uri=uri, timing=TIMING)
        self._step: Any = software_update.step if software else firmware_update.step
        self._words: Any = software_record if software else update_record
        self._object = Path.of(9, 0) if software else Path.of(5, 0)
        self._paths = {
            "write_package": 2 if software else 0,
            "write_uri": 3 if software else 1,
            "reset": 1,
            "execute_update": 2,
            "execute_cancel": 10,
            "execute_install": 4,
            "execute_activate": 10,
            "execute_uninstall": 6,
            "uninstall_for_update": 6,
        }
        self.log: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> Any:
        """The finished record."""
        stop = self.server.events.listen(self._listen)
        self._feed(Started(time.time()))
        while not self.update.state.is_final:
            await asyncio.sleep(0.1)
            for task in self._tasks:
                if task.done():
                    task.result()
            self._feed(Tick(time.time()))
        stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return self.update

    def _listen(self, event: object) -> None:
        if isinstance(event, Registered) and event.registration.endpoint == self.endpoint:
            self._feed(update_progress.Registered(time.time()))
        elif isinstance(event, Notification) and event.endpoint == self.endpoint:
            self._feed(update_progress.Notified(time.time()))

    def _feed(self, event: Any) -> None:
        self.update, actions = self._step(self.update, event)
        for action in actions:
            if not isinstance(action, Finish) and str(action) != "stop_transfer":
                self._tasks.add(asyncio.create_task(self._perform(str(action))))

    async def _perform(self, name: str) -> None:
        if name != "read":
            self.log.append(name)
        operation = self._words.Operation(name)
        try:
            outcome = await self._outcome(name, operation)
        except Rejected as refusal:
            outcome = self._failed(operation, str(refusal), refusal.code)
        except (Lwm2mError, DeviceTimeout) as error:
            outcome = self._failed(operation, str(error) or type(error).__name__, None)
        self._feed(outcome)

    def _failed(self, operation: Any, reason: str, code: int | None) -> Any:
        if self._words is software_record:
            return software_record.Failed(time.time(), operation, reason, code)
        return update_record.Failed(time.time(), operation, reason, rejected=code is not None)

    async def _outcome(self, name: str, operation: Any) -> Any:
        match name:
            case "observe":
                for number in (7, 9) if self._object.ids[0] == 9 else (3, 5):
                    await self.server.observe(self.endpoint, self._object / number)
            case "read":
                return await self._read()
            case "write_package":
                path = self._object / self._paths[name]
                (await self.server.push(self.endpoint, path, PACKAGE, timeout=60)).require_success()
            case "write_uri" | "reset":
                path = self._object / self._paths[name]
                text = self.update.package_uri if name == "write_uri" else ""
                node = Resource(path.ids[2], ResourceType.STRING, text)
                (await self.server.write(self.endpoint, path, node)).require_success()
            case _:
                argument = {"uninstall_for_update": "1", "execute_uninstall": "0"}.get(name, "")
                path = self._object / self._paths[name]
                (await self.server.execute(self.endpoint, path, argument)).require_success()
        return self._words.Done(time.time(), operation)

    async def _read(self) -> Any:
        node = (await self.server.read(self.endpoint, self._object)).require_success().content
        if not isinstance(node, Instance):
            raise CodecError("no instance")

        def value(number: int) -> Any:
            found = node.get(number)
            return found.value if isinstance(found, Resource) else None

        if self._object.ids[0] == 9:
            return software_record.Observed(time.time(), SoftwareState(value(7)), value(9), value(1), value(12))
        running = (await self.server.read(self.endpoint, Path.of(3, 0, 3))).require_success().content
        if not isinstance(running, Resource):
            raise CodecError("no version")
        return update_record.Observed(time.time(), FirmwareState(value(3)), value(5), str(running.value), value(7))


@pytest.fixture
async def update(server: Lwm2mServer) -> AsyncIterator[Callable[..., Any]]:
    """Start one device with a fault, and carry out one update of it."""
    running: list[Simulator] = []

    async def update(
        fault: Fault | None, delivery: Delivery, *, software: bool = False, lifetime: int = 300
    ) -> tuple[Any, SimulatedDevice, Driver]:
        faults = (fault,) if fault is not None else ()
        profile = Profile(install_seconds=0.2, restless_seconds=1.0)
        simulator = Simulator(
            f"coap://127.0.0.1:{server.port}", 1, faults=faults, profile=profile, seed=len(running), lifetime=lifetime
        )
        await simulator.__aenter__()
        running.append(simulator)
        assert await simulator.all_registered(10)
        driver = Driver(server, "sim-00000", delivery, software=software)
        async with asyncio.timeout(60):
            record = await driver.run()
        simulator.check()
        return record, simulator.devices[0], driver

    yield update
    for simulator in running:
        await simulator.__aexit__()
