"""A device with two model slots, as the device OS has them: Objects 3, 5, 9/0, 9/1, 26241 and 26242, in a thread."""

import asyncio
import hashlib
import json
import struct
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from lwm2m.client import ClientResource, Lwm2mClient, ObjectInstance, Settings
from lwm2m.client.firmware import FirmwareObject
from lwm2m.client.pull import PullError, pull
from lwm2m.client.software import SoftwareObject
from lwm2m.client.standard import Device, constant, device_object
from lwm2m.firmware_device import Action as FirmwareAction
from lwm2m.firmware_device import DeviceUpdate, FlashOk
from lwm2m.firmware_device import DownloadDone as FirmwareArrived
from lwm2m.nodes import Resource
from lwm2m.paths import Path
from lwm2m.simulator.package import package_version
from lwm2m.software import SoftwareResult
from lwm2m.software_device import (
    Action,
    DeviceSoftware,
    DownloadDone,
    DownloadFailed,
    InstallFailed,
    InstallOk,
    PackageVerified,
)
from lwm2m.values import ResourceType, Value
from zoo.cards import catalog
from zoo.inspect import inspect
from zoo.litert import LiteRt

STRING, INTEGER, OPAQUE = ResourceType.STRING, ResourceType.INTEGER, ResourceType.OPAQUE
_KINDS: dict[type, ResourceType] = {bytes: OPAQUE, int: INTEGER, float: ResourceType.FLOAT, str: STRING}
SOURCES = ("a", "b")
LIMIT = 1 << 20
_MODEL_SHA256, _GOLDEN = 0xA1, 0xA2
_GOLDEN_HEADER = 6  # bytes before the outputs: their number and their size


class Memory:
    """Implements `PackageStore`; what it holds can be read like a signed image."""

    limit = LIMIT

    def __init__(self, delay: float = 0.0) -> None:
        self.data = bytearray()
        self.delay = delay

    def open(self) -> None:
        self.data.clear()

    def write(self, data: bytes) -> None:
        self.data += data

    async def close(self) -> None:
        await asyncio.sleep(self.delay)

    def discard(self) -> None:
        self.data.clear()

    @property
    def version(self) -> str:
        return package_version(bytes(self.data[:64]), "")

    def field(self, tag: int) -> bytes:
        """A protected TLV."""
        header, size = struct.unpack_from("<H", self.data, 8)[0], struct.unpack_from("<I", self.data, 12)[0]
        at = header + size + 4
        while True:
            found, length = struct.unpack_from("<HH", self.data, at)
            if found == tag:
                return bytes(self.data[at + 4 : at + 4 + length])
            at += 4 + length


class Slot:
    """A model slot: what waits in it, and what is installed."""

    def __init__(self, device: "SlottedDevice", number: int) -> None:
        self._device = device
        self.number = number
        self.store = Memory()
        self.version, self.model_sha256, self.golden = "", "", b""
        self.install_seconds = 0.05
        empty = DeviceSoftware(takes_beside=True)
        self.object = SoftwareObject(empty, self.store, perform=self._perform, notify=device.notify, instance_id=number)

    def switch(self, *, active: bool) -> None:
        """Run this slot's model, or no more; the slot that runs takes no package."""
        self.object.software = replace(self.object.software, active=active, takes_beside=not active)

    def _perform(self, action: Action) -> None:
        match action:
            case Action.START_DOWNLOAD:
                self._device.spawn(self._fetch(self.object.software.package_uri))
            case Action.CHECK_PACKAGE:
                self._device.spawn(self._check())
            case Action.INSTALL:
                self._device.spawn(self._install())
            case Action.ACTIVATE | Action.DEACTIVATE:
                for slot in self._device.slots:
                    slot.switch(active=slot is self and action is Action.ACTIVATE)
            case _:
                pass

    async def _fetch(self, uri: str) -> None:
        self._device.deliveries += 1
        try:
            await pull(uri, self.store, self._device.client.context)
        except PullError:
            self.object.step(DownloadFailed(SoftwareResult.CONNECTION_LOST))
        else:
            self.object.step(DownloadDone())

    async def _check(self) -> None:
        await asyncio.sleep(0)
        self.version, self.model_sha256 = self.store.version, self.store.field(_MODEL_SHA256).hex()
        self.golden = self.store.field(_GOLDEN)[_GOLDEN_HEADER:]
        self.object.step(PackageVerified())

    async def _install(self) -> None:
        await asyncio.sleep(self.install_seconds)
        outputs = bytes([self.golden[0] ^ self._device.wrong_byte]) + self.golden[1:]
        told = {"received_sha256": hashlib.sha256(outputs).hexdigest(), "verdict": "passed", "reason": "as promised"}
        if outputs != self.golden and self._device.honest:
            told |= {"verdict": "wrong-output", "reason": "golden vector 0 differs at byte 0"}
        self._device.report = json.dumps(told)
        if told["verdict"] == "passed":
            self.object.step(InstallOk())
            self.switch(active=False)
        else:  # what the slot held before was erased when the package began to arrive
            self.version = ""
            self.object.software = replace(self.object.software, installed=False)
            self.object.step(InstallFailed())


class SlottedDevice:
    """`with SlottedDevice(...)`: registered until the block ends. `wrong_byte` spoils the golden outputs."""

    def __init__(self, port: int, endpoint: str, board: str, abi: str, built_in: str) -> None:
        self.settings = Settings(f"coap://127.0.0.1:{port}", endpoint, bind="127.0.0.1")
        self.board, self.abi, self.next_abi, self.built_in = board, abi, abi, built_in
        self.version = "1.0.0"
        self.report = ""
        self.wrong_byte = 0
        self.honest = True
        self.lies_about_model = False
        self.deliveries = 0
        self.client: Lwm2mClient
        self.slots = (Slot(self, 0), Slot(self, 1))
        self._image = Memory()
        self._firmware = FirmwareObject(DeviceUpdate(), self._image, perform=self._flash, notify=self.notify)
        self._output, self._sequence = b"", 0
        self._models = {entry.card.model_sha256: entry.model for entry in catalog()}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    @property
    def active(self) -> Slot | None:
        return next((slot for slot in self.slots if slot.object.software.active), None)

    @property
    def model_sha256(self) -> str:
        if self.lies_about_model:
            return "0" * 64
        return self.active.model_sha256 if self.active else self.built_in

    def __enter__(self) -> "SlottedDevice":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(timeout=30)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(timeout=30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def tell(self, inputs: Iterable[bytes], **more: Value) -> None:
        """Infer inputs that come from elsewhere, and Send each output with its number.

        `more` goes with it, or in its place: by path, as `p26242_0_4`.
        """
        asyncio.run_coroutine_threadsafe(self._tell_all(inputs, more), self._loop).result(timeout=60)

    def tell_last(self) -> None:
        """Send the last output again, as a board does that was given no other input."""
        asyncio.run_coroutine_threadsafe(self._tell({}), self._loop).result(timeout=60)

    async def _tell_all(self, inputs: Iterable[bytes], more: Mapping[str, Value]) -> None:
        for stored in inputs:
            self._infer(stored)
            await self._tell(more)

    async def _tell(self, more: Mapping[str, Value]) -> None:
        told: dict[str, Value] = {"p26242_0_1": self._output, "p26242_0_2": self._sequence, **more}
        nodes = {}
        for name, value in told.items():
            path = Path.of(*map(int, name.removeprefix("p").split("_")))
            nodes[path] = Resource(path.ids[-1], _KINDS[type(value)], value)
        assert await self.client.send(nodes)

    def notify(self, path: object) -> None:
        self.client.notify(path)  # type: ignore[arg-type] # a Path, as SoftwareObject and FirmwareObject give it

    def spawn(self, work: object) -> None:
        task = self._loop.create_task(work)  # type: ignore[arg-type] # a coroutine
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(self) -> None:
        async def reboot() -> None:
            self.client.register_again()

        device = Device("TinyMLaaS", self.board, "", "", lambda: self.version, reboot)
        instances = [
            device_object(device),
            self._firmware.instance(lambda: "firmware", lambda: self.version),
            *(slot.object.instance(lambda: "model", lambda slot=slot: slot.version) for slot in self.slots),
            self._board_object(),
            self._inference_object(),
        ]
        self.client = await Lwm2mClient.start(self.settings, instances)
        self.spawn(self.client.run())
        await self.client.registered.wait()

    async def _stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.client.stop()

    def _flash(self, action: FirmwareAction) -> None:
        match action:
            case FirmwareAction.START_DOWNLOAD:
                self.spawn(self._fetch(self._firmware.update.package_uri))
            case FirmwareAction.CHECK_PACKAGE:
                self.spawn(self._check())
            case FirmwareAction.FLASH:
                self.spawn(self._boot())
            case _:
                pass

    async def _fetch(self, uri: str) -> None:
        self.deliveries += 1
        await pull(uri, self._image, self.client.context)
        await self._check()

    async def _check(self) -> None:
        await asyncio.sleep(0)
        self._firmware.step(FirmwareArrived())

    async def _boot(self) -> None:
        """A new firmware runs its own model, whatever the slots hold."""
        self.version, self.abi = self._image.version, self.next_abi
        self.built_in = self._image.field(_MODEL_SHA256).hex()
        outputs = self._image.field(_GOLDEN)[_GOLDEN_HEADER:]
        self.report = json.dumps({"verdict": "passed", "received_sha256": hashlib.sha256(outputs).hexdigest()})
        for slot in self.slots:
            slot.switch(active=False)
        self._firmware.step(FlashOk())
        self.client.register_again()

    def _board_object(self) -> ObjectInstance:
        texts = {
            0: lambda: self.report,
            1: lambda: self.model_sha256,
            2: lambda: self.board,
            5: lambda: self.abi,
            6: lambda: SOURCES[self.active.number] if self.active else "built-in",
        }
        resources = {number: ClientResource(STRING, read=read) for number, read in texts.items()}
        for number, value in {3: 900, 4: 64, 8: 1900, 9: 1000, 12: 77}.items():
            resources[number] = constant(INTEGER, value)
        return ObjectInstance(26241, 0, resources)

    def _infer(self, value: bytes) -> None:
        model = self._models[self.model_sha256]
        [tensor] = inspect(model).inputs
        stored = np.frombuffer(value, tensor.dtype).reshape(tensor.shape)
        self._output = b"".join(output.tobytes() for output in LiteRt(model).run([stored]))
        self._sequence += 1

    def _inference_object(self) -> ObjectInstance:
        async def infer(value: Value) -> None:
            assert isinstance(value, bytes)
            self._infer(value)

        return ObjectInstance(
            26242,
            0,
            {
                0: ClientResource(OPAQUE, write=infer),
                1: ClientResource(OPAQUE, read=lambda: self._output),
                2: ClientResource(INTEGER, read=lambda: self._sequence),
                3: constant(INTEGER, 12345),
            },
        )
