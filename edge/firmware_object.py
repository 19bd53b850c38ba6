"""Object 5 of the board: its resources, the incoming package file, and the steps of the device's update machine."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import BinaryIO

from lwm2m.client import ClientResource, ObjectInstance
from lwm2m.client.standard import constant
from lwm2m.errors import Refused
from lwm2m.firmware_device import (
    Action,
    CancelExecuted,
    DeviceUpdate,
    Event,
    PackageWritten,
    UpdateExecuted,
    package_event,
    transition,
    uri_event,
)
from lwm2m.messages import Code
from lwm2m.paths import Path
from lwm2m.values import ResourceType, Value

FIRMWARE_OBJECT = 5
STATE, RESULT = Path.of(5, 0, 3), Path.of(5, 0, 5)
PROTOCOLS = {0: 0, 1: 2}  # coap, http
DELIVERY_BOTH = 2


class FirmwareObject:
    """Holds state and result; `perform` does what a step asks for, `notify` tells observers what changed."""

    def __init__(
        self,
        update: DeviceUpdate,
        incoming: "IncomingPackage",
        *,
        perform: Callable[[Action], None],
        notify: Callable[[Path], None],
    ) -> None:
        self.update = update
        self._incoming = incoming
        self._incoming.attach(self)
        self._perform = perform
        self._notify = notify

    def step(self, event: Event) -> None:
        """Move the machine, tell observers, then act; Refused when the state does not allow the event."""
        before = self.update
        self.update, actions = transition(before, event)
        if self.update.state != before.state:
            self._notify(STATE)
        if self.update.result != before.result:
            self._notify(RESULT)
        for action in actions:
            self._perform(action)

    def instance(self, package_name: Callable[[], str], package_version: Callable[[], str]) -> ObjectInstance:
        """The resources of /5/0."""

        async def write_uri(value: Value) -> None:
            if not isinstance(value, str):
                raise Refused(Code.BAD_REQUEST, "the package URI is a string")
            self.step(uri_event(value))

        async def execute(_arguments: bytes) -> None:
            self.step(UpdateExecuted())

        async def cancel(_arguments: bytes) -> None:
            self.step(CancelExecuted())

        resources = {
            0: ClientResource(ResourceType.OPAQUE, sink=self._incoming),
            1: ClientResource(ResourceType.STRING, read=lambda: self.update.package_uri, write=write_uri),
            2: ClientResource(ResourceType.NONE, execute=execute),
            3: ClientResource(ResourceType.INTEGER, read=lambda: int(self.update.state)),
            5: ClientResource(ResourceType.INTEGER, read=lambda: int(self.update.result)),
            6: ClientResource(ResourceType.STRING, read=package_name),
            7: ClientResource(ResourceType.STRING, read=package_version),
            8: ClientResource(ResourceType.INTEGER, read=lambda: PROTOCOLS),
            9: constant(ResourceType.INTEGER, DELIVERY_BOTH),
            10: ClientResource(ResourceType.NONE, execute=cancel),
        }
        return ObjectInstance(FIRMWARE_OBJECT, 0, resources)


class IncomingPackage:
    """The sink of /5/0/0: blocks go to a file, and the completed, synced file to the machine."""

    def __init__(self, path: FilePath, limit: int) -> None:
        self.path = path
        self._limit = limit
        self._object: FirmwareObject | None = None
        self._file: BinaryIO | None = None
        self._size = 0
        self._first: int | None = None

    @property
    def limit(self) -> int:
        """The slot's size: beyond it the transfer ends with 4.13."""
        return self._limit

    def attach(self, firmware: FirmwareObject) -> None:
        """Name the object whose machine hears of completed packages."""
        self._object = firmware

    def begin(self, first: bytes, *, more: bool) -> None:
        """Refuse at the first block what the machine would refuse at the last."""
        machine = self._machine()
        transition(machine.update, PackageWritten() if more else package_event(len(first), first[0] if first else None))
        self.abandon()
        self._file = self.path.open("wb")
        self._size = 0
        self._first = first[0] if first else None

    def block(self, data: bytes) -> None:
        """Append."""
        if self._file is None:
            raise Refused(Code.REQUEST_ENTITY_INCOMPLETE, "no package is being received")
        self._file.write(data)
        self._size += len(data)

    async def complete(self) -> None:
        """Make the file durable, then step the machine."""
        file, self._file = self._file, None
        if file is not None:
            await asyncio.to_thread(_close_durably, file)
        self._machine().step(package_event(self._size, self._first))

    def abandon(self) -> None:
        """Close and delete an unfinished file."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self.path.unlink(missing_ok=True)

    def _machine(self) -> FirmwareObject:
        if self._object is None:
            raise RuntimeError("no firmware object is attached")
        return self._object


def _close_durably(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
