"""Object 5 of a device: its resources over a package store, and the steps of the device's update machine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lwm2m.client.intake import PackageStore, StoreSink
from lwm2m.client.standard import constant
from lwm2m.client.tree import ClientResource, ObjectInstance
from lwm2m.errors import Refused
from lwm2m.firmware_device import (
    Action,
    CancelExecuted,
    DeviceUpdate,
    Event,
    PackageLost,
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
COAP, COAPS, HTTP, HTTPS = 0, 1, 2, 3  # values of 5/0/8
DELIVERY_PULL, DELIVERY_PUSH, DELIVERY_BOTH = 0, 1, 2
SEVERITY_MANDATORY, SEVERITIES = 1, (0, 1, 2)


@dataclass(slots=True)
class FirmwareWishes:
    """What the server wrote about an update: how urgent it is, and for how many seconds a user may put it off."""

    severity: int = SEVERITY_MANDATORY
    max_defer_seconds: int = 0


@dataclass(frozen=True, slots=True)
class FirmwareAbilities:
    """Resources 5/0/8 and 5/0/9."""

    protocols: Mapping[int, int] = field(default_factory=lambda: {0: COAP, 1: HTTP, 2: HTTPS})
    delivery: int = DELIVERY_BOTH


class FirmwareObject:
    """Holds state and result; `perform` does what a step asks for, `notify` tells observers what changed."""

    def __init__(
        self,
        update: DeviceUpdate,
        store: PackageStore,
        *,
        perform: Callable[[Action], None],
        notify: Callable[[Path], None],
        abilities: FirmwareAbilities | None = None,
    ) -> None:
        self.update = update
        self.wishes = FirmwareWishes()
        self._abilities = abilities or FirmwareAbilities()
        self._sink = StoreSink(store, self._admit, self._arrived, self._lost)
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
        resources = {
            0: ClientResource(ResourceType.OPAQUE, sink=self._sink),
            1: ClientResource(ResourceType.STRING, read=lambda: self.update.package_uri, write=self._write_uri),
            2: ClientResource(ResourceType.NONE, execute=self._execute),
            3: ClientResource(ResourceType.INTEGER, read=lambda: int(self.update.state)),
            5: ClientResource(ResourceType.INTEGER, read=lambda: int(self.update.result)),
            6: ClientResource(ResourceType.STRING, read=package_name),
            7: ClientResource(ResourceType.STRING, read=package_version),
            8: ClientResource(ResourceType.INTEGER, read=lambda: self._abilities.protocols),
            9: constant(ResourceType.INTEGER, self._abilities.delivery),
            10: ClientResource(ResourceType.NONE, execute=self._cancel),
            11: ClientResource(ResourceType.INTEGER, read=lambda: self.wishes.severity, write=self._write_severity),
            13: ClientResource(
                ResourceType.UNSIGNED_INTEGER, read=lambda: self.wishes.max_defer_seconds, write=self._write_defer
            ),
        }
        return ObjectInstance(FIRMWARE_OBJECT, 0, resources)

    def _admit(self, first: bytes, more: bool) -> None:
        transition(self.update, PackageWritten() if more else package_event(len(first), first[0] if first else None))

    async def _arrived(self, size: int, first: int | None) -> None:
        self.step(package_event(size, first))

    def _lost(self) -> None:
        self.step(PackageLost())

    async def _write_uri(self, value: Value) -> None:
        if not isinstance(value, str):
            raise Refused(Code.BAD_REQUEST, "the package URI is a string")
        self.step(uri_event(value))

    async def _execute(self, _arguments: bytes) -> None:
        self.step(UpdateExecuted())

    async def _cancel(self, _arguments: bytes) -> None:
        self.step(CancelExecuted())

    async def _write_severity(self, value: Value) -> None:
        if value not in SEVERITIES or not isinstance(value, int):
            raise Refused(Code.BAD_REQUEST, "the severity is 0 (critical), 1 (mandatory) or 2 (optional)")
        self.wishes.severity = value

    async def _write_defer(self, value: Value) -> None:
        if not isinstance(value, int) or value < 0:
            raise Refused(Code.BAD_REQUEST, "the maximum defer period is a number of seconds")
        self.wishes.max_defer_seconds = value
