"""Keeps the database in step with the LwM2M server: registrations, observations, and what devices say of themselves."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Self

import structlog

from app.services.device_reading import read_identity
from app.services.devices import DeviceService
from lwm2m.bridge import DeviceBridge
from lwm2m.errors import Lwm2mError
from lwm2m.events import Event, Registered
from lwm2m.observations import Observation
from lwm2m.registration import Registration

_log = structlog.get_logger(__name__)

SETTLE_SECONDS = 0.05
"""A device is left alone until the answer to its registration is out (OMA issue 162)."""


class RegistrationKeeper:
    """Listens to the bridge while it is entered; writes down one thing after the other, in the order they came."""

    def __init__(self, bridge: DeviceBridge, devices: DeviceService) -> None:
        self._bridge = bridge
        self._devices = devices
        self._waiting: asyncio.Queue[Callable[[], None] | None] = asyncio.Queue()
        self._writing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._forget = self._bridge.listen(self._heard)
        self._writing = asyncio.create_task(self._write())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._forget()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._waiting.put_nowait(None)
        if self._writing is not None:
            await self._writing  # not cancelled: what it writes would be lost, or be written after what came later

    async def settled(self) -> None:
        """Return when everything that was told so far is on disk."""
        await self._waiting.join()

    def observations_changed(self, endpoint: str, observations: Sequence[Observation]) -> None:
        """The set of observations on a device is another now."""
        self._waiting.put_nowait(partial(self._devices.observed, endpoint, observations))

    def _heard(self, event: Event) -> None:
        self._waiting.put_nowait(partial(self._devices.handle, event))
        if isinstance(event, Registered):
            self._start(self._identify(event.registration))

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(self) -> None:
        while (write := await self._waiting.get()) is not None:
            try:
                await asyncio.to_thread(write)
            except Exception:  # noqa: BLE001 - one bad event must not end the keeping of all others
                _log.exception("what a device did was not written down")
            finally:
                self._waiting.task_done()

    async def _identify(self, registration: Registration) -> None:
        await asyncio.sleep(SETTLE_SECONDS)
        endpoint = registration.endpoint
        try:
            identity = await read_identity(self._bridge, endpoint, registration.instances)
        except Lwm2mError as error:
            _log.info("device did not say what it runs", endpoint=endpoint, error=str(error))
            return
        self._waiting.put_nowait(partial(self._devices.reported, registration, identity))
