"""The line to each device: one request at a time, at most 200 to all, and none to a device that sleeps."""

# ruff: noqa: ASYNC109 - a deadline is part of a device operation: retransmissions are planned by it

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from weakref import WeakValueDictionary

from lwm2m.errors import BadRequest, DeviceAsleep, DeviceTimeout, DeviceUnreachable, NotRegistered
from lwm2m.messages import CoapEndpoint, Reply, Request
from lwm2m.objects import STANDARD, ObjectRegistry
from lwm2m.queue_mode import QueueMode
from lwm2m.registration import Registration

MAX_OUTSTANDING = 200  # requests to all devices: more overflow the socket's receive buffer
_LEAST_TIMEOUT = 0.01
_STOPPED = "the LwM2M server is not running: start it first"


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to send one request to a device, with the registration as it is now."""

    registration: Registration
    deadline: float  # on the event loop's clock

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return max(self.deadline - asyncio.get_running_loop().time(), _LEAST_TIMEOUT)

    def address(self, request: Request) -> Request:
        """The request below the device's alternate path (Transport 1.1.1, section 6.4.1)."""
        return replace(request, path=self.registration.root + request.path)


class Line:
    """Sends requests to devices, each at the address that it registered from last."""

    def __init__(
        self,
        find: Callable[[str], Registration | None],
        queue_mode: QueueMode,
        models: ObjectRegistry = STANDARD,
    ) -> None:
        self._find = find
        self._models = models
        self._queue_mode = queue_mode
        self._coap: CoapEndpoint | None = None
        self._slots = asyncio.Semaphore(MAX_OUTSTANDING)
        # Weak: a lock lives as long as somebody holds or awaits it, so that devices that left cost nothing.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def attach(self, coap: CoapEndpoint | None) -> None:
        """Use this message layer; None when the server stops, which ends what waits for sleeping devices."""
        self._coap = coap
        if coap is None:
            self._queue_mode.release()

    @property
    def coap(self) -> CoapEndpoint:
        """The message layer.

        Raises:
            BadRequest: the server does not run.
        """
        if self._coap is None:
            raise BadRequest(_STOPPED)
        return self._coap

    def find(self, endpoint: str) -> Registration | None:
        """The registration of a device, if there is one."""
        return self._find(endpoint)

    def registration(self, endpoint: str) -> Registration:
        """The registration of a device.

        Raises:
            NotRegistered: there is none.
        """
        registration = self._find(endpoint)
        if registration is None:
            raise NotRegistered(endpoint)
        return registration

    def models(self, endpoint: str) -> ObjectRegistry:
        """The object models in the versions that a device announced.

        Raises:
            NotRegistered: the device is not registered.
        """
        return _versioned(self._models, self.registration(endpoint).versions)

    async def exchange(self, endpoint: str, request: Request, timeout: float, *, wait: bool) -> Reply:
        """One request and its answer; `request.path` is relative to the alternate path."""
        async with self.turn(endpoint, timeout, wait=wait) as turn:
            return await self.coap.request(turn.registration.address, turn.address(request), turn.left)

    @asynccontextmanager
    async def turn(self, endpoint: str, timeout: float, *, wait: bool) -> AsyncIterator[Turn]:
        """Wait for the device, for its turn and for a free slot, all within `timeout`.

        What the caller then hears, or does not hear, decides whether a device in queue mode counts as awake.

        Raises:
            DeviceAsleep: the device sleeps and `wait` is false, or it does not wake within `timeout`.
            DeviceTimeout: earlier requests take longer than `timeout`.
            NotRegistered: the device is not registered, or leaves while the request waits.
        """
        self.registration(endpoint)
        deadline = asyncio.get_running_loop().time() + timeout
        lock = self._locks.get(endpoint)
        if lock is None:
            lock = self._locks[endpoint] = asyncio.Lock()
        await self._take(endpoint, lock, deadline, wait=wait)
        try:
            turn = Turn(self.registration(endpoint), deadline)
            yield turn
        except (DeviceTimeout, DeviceUnreachable):
            self._queue_mode.silent(endpoint)
            raise
        else:
            self.heard(endpoint)
        finally:
            self._slots.release()
            lock.release()

    def heard(self, endpoint: str) -> None:
        """A device sent something: when it is in queue mode, it is awake."""
        registration = self._find(endpoint)
        if registration is not None and registration.queue_mode:
            self._queue_mode.contact(endpoint)

    async def _take(self, endpoint: str, lock: asyncio.Lock, deadline: float, *, wait: bool) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while self._queue_mode.is_asleep(endpoint):
                if not wait:
                    raise DeviceAsleep(f"{endpoint} is in queue mode and sleeps: the request was not sent")
                await self._queue_mode.wait(endpoint, max(deadline - loop.time(), 0))
                if self._coap is None:
                    raise BadRequest(_STOPPED)
            try:
                async with asyncio.timeout_at(deadline):
                    await lock.acquire()
                    try:
                        await self._slots.acquire()
                    except BaseException:
                        lock.release()
                        raise
            except TimeoutError as error:
                raise DeviceTimeout(f"{endpoint} is busy with an earlier request") from error
            if not self._queue_mode.is_asleep(endpoint):
                return
            self._slots.release()
            lock.release()


@lru_cache(maxsize=256)
def _versioned(models: ObjectRegistry, versions: tuple[tuple[int, str], ...]) -> ObjectRegistry:
    """Devices of one make announce the same versions, so that few registries serve many devices."""
    found = [models.find_object(number, version) for number, version in versions]
    unusual = [model for model in found if model is not None and model is not models.find_object(model.id)]
    return ObjectRegistry((*unusual, *models.all_versions())) if unusual else models
