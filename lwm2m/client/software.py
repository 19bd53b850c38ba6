"""An instance of Object 9 of a device: its resources over a package store, and the steps of the device's machine."""

from collections.abc import Callable

from lwm2m.client.intake import PackageStore, StoreSink
from lwm2m.client.tree import ClientResource, ObjectInstance
from lwm2m.errors import Refused
from lwm2m.messages import Code
from lwm2m.paths import Path
from lwm2m.software import SoftwareResult
from lwm2m.software_device import (
    Action,
    ActivateExecuted,
    DeactivateExecuted,
    DeviceSoftware,
    DownloadFailed,
    Event,
    InstallExecuted,
    PackageStarted,
    PackageWritten,
    UriWritten,
    transition,
    uninstall_event,
)
from lwm2m.values import ResourceType, Value

SOFTWARE_OBJECT = 9


class SoftwareObject:
    """Holds the state; `perform` does what a step asks for, `notify` tells observers what changed."""

    def __init__(
        self,
        software: DeviceSoftware,
        store: PackageStore,
        *,
        perform: Callable[[Action], None],
        notify: Callable[[Path], None],
        instance_id: int = 0,
    ) -> None:
        self.software = software
        self.path = Path.of(SOFTWARE_OBJECT, instance_id)
        self._sink = StoreSink(store, self._admit, self._arrived, self._lost)
        self._perform = perform
        self._notify = notify

    def step(self, event: Event) -> None:
        """Move the machine, tell observers, then act; Refused when the state does not allow the event."""
        before = self.software
        self.software, actions = transition(before, event)
        for number, changed in (
            (7, self.software.state != before.state),
            (9, self.software.result != before.result),
            (12, self.software.active != before.active),
        ):
            if changed:
                self._notify(self.path / number)
        for action in actions:
            self._perform(action)

    def instance(self, package_name: Callable[[], str], package_version: Callable[[], str]) -> ObjectInstance:
        """The resources of /9/x."""
        resources = {
            0: ClientResource(ResourceType.STRING, read=package_name),
            1: ClientResource(ResourceType.STRING, read=package_version),
            2: ClientResource(ResourceType.OPAQUE, sink=self._sink),
            3: ClientResource(ResourceType.STRING, write=self._write_uri),
            4: self._executable(lambda _: InstallExecuted()),
            6: self._executable(uninstall_event),
            7: ClientResource(ResourceType.INTEGER, read=lambda: int(self.software.state)),
            9: ClientResource(ResourceType.INTEGER, read=lambda: int(self.software.result)),
            10: self._executable(lambda _: ActivateExecuted()),
            11: self._executable(lambda _: DeactivateExecuted()),
            12: ClientResource(ResourceType.BOOLEAN, read=lambda: self.software.active),
        }
        return ObjectInstance(SOFTWARE_OBJECT, self.path.ids[1], resources)

    def _executable(self, event: Callable[[bytes], Event]) -> ClientResource:
        async def execute(arguments: bytes) -> None:
            self.step(event(arguments))

        return ClientResource(ResourceType.NONE, execute=execute)

    async def _write_uri(self, value: Value) -> None:
        if not isinstance(value, str):
            raise Refused(Code.BAD_REQUEST, "the package URI is a string")
        self.step(UriWritten(value))

    def _admit(self, _first: bytes, more: bool) -> None:
        if more:
            self.step(PackageStarted())
        else:
            transition(self.software, PackageWritten())

    async def _arrived(self, _size: int, _first: int | None) -> None:
        self.step(PackageWritten())

    def _lost(self) -> None:
        self.step(DownloadFailed(SoftwareResult.CONNECTION_LOST))
