"""Keeps the database in step with the LwM2M server: registrations written down, and what devices say of themselves."""

import asyncio

import structlog

from app.services.devices import DeviceService
from lwm2m.bridge import DeviceBridge
from lwm2m.errors import Lwm2mError
from lwm2m.events import Event, Registered
from lwm2m.nodes import Resource
from lwm2m.paths import Path

_log = structlog.get_logger(__name__)

FIRMWARE_VERSION = Path.of(3, 0, 3)
BOARD = Path.of(26241, 0, 2)
SETTLE_SECONDS = 0.05
"""A device is left alone until the answer to its registration is out (OMA issue 162)."""


class RegistrationKeeper:
    """Listens to the bridge for as long as the server runs."""

    def __init__(self, bridge: DeviceBridge, devices: DeviceService) -> None:
        self._bridge = bridge
        self._devices = devices
        self._asking: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Write down each event, in order."""
        async for event in self._bridge.events():
            try:
                await asyncio.to_thread(self._devices.handle, event)
            except Exception:  # noqa: BLE001 - one bad event must not end the keeping of all others
                _log.exception("a device event was not written down", event_type=type(event).__name__)
                continue
            self._ask(event)

    def _ask(self, event: Event) -> None:
        if isinstance(event, Registered):
            task = asyncio.create_task(self._identify(event.registration.endpoint))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _identify(self, endpoint: str) -> None:
        await asyncio.sleep(SETTLE_SECONDS)
        try:
            version = await self.text(endpoint, FIRMWARE_VERSION)
            board = await self.text(endpoint, BOARD)
        except Lwm2mError as error:
            _log.info("device did not say what it runs", endpoint=endpoint, error=str(error))
            return
        await asyncio.to_thread(self._devices.reported, endpoint, board, version)

    async def text(self, endpoint: str, path: Path) -> str | None:
        """A string resource; None when the device has none."""
        response = await self._bridge.read(endpoint, path)
        content = response.content
        return str(content.value) if response.success and isinstance(content, Resource) else None
