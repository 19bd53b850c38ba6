"""Queue mode (Core 1.1.1, section 6.5): which devices listen now, and the requests that wait until one does."""

# ruff: noqa: ASYNC109 - a deadline is part of a device operation

import asyncio
import time
from collections import deque
from collections.abc import Callable

from lwm2m.errors import DeviceAsleep
from lwm2m.events import Awake, Events, Sleeping

AWAKE_TIME = 93.0  # seconds after the last contact: CoAP's MAX_TRANSMIT_WAIT, as the specification recommends
MAX_WAITING = 16  # requests for one sleeping device

Clock = Callable[[], float]


class QueueMode:
    """Devices in queue mode, each awake for a while after its last contact. Others are none of its business."""

    def __init__(self, events: Events, *, awake_time: float = AWAKE_TIME, clock: Clock = time.monotonic) -> None:
        self._events = events
        self._awake_time = awake_time
        self._clock = clock
        # Each contact moves a device to the end, so that they stand in the order in which they fall asleep.
        self._awake_until: dict[str, float] = {}
        self._asleep: set[str] = set()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    def contact(self, endpoint: str) -> None:
        """A device in queue mode was heard: it listens again, and gets what waits for it."""
        woke = endpoint not in self._awake_until
        self._asleep.discard(endpoint)
        self._awake_until.pop(endpoint, None)
        self._awake_until[endpoint] = self._clock() + self._awake_time
        if woke:
            self._events.publish(Awake(endpoint))
        self._release(endpoint)

    def restore(self, endpoint: str, ago: float) -> None:
        """A device in queue mode made its last contact `ago` seconds before this process; the longest ago comes first.

        No event tells of it.
        """
        if ago < self._awake_time:
            self._awake_until[endpoint] = self._clock() + self._awake_time - max(ago, 0)
        else:
            self._asleep.add(endpoint)

    def silent(self, endpoint: str) -> None:
        """A device in queue mode did not answer: it sleeps."""
        if self._awake_until.pop(endpoint, None) is not None:
            self._asleep.add(endpoint)
            self._events.publish(Sleeping(endpoint))

    def leave(self, endpoint: str) -> None:
        """A device is not registered any more, or not in queue mode; requests that wait go on and see."""
        self._awake_until.pop(endpoint, None)
        self._asleep.discard(endpoint)
        self._release(endpoint)

    def is_asleep(self, endpoint: str) -> bool:
        """Whether a request would not be heard now."""
        until = self._awake_until.get(endpoint)
        return endpoint in self._asleep if until is None else until <= self._clock()

    def fall_asleep(self) -> float | None:
        """Tell of those whose time is over; seconds until the next, None when all sleep."""
        now = self._clock()
        while self._awake_until:
            endpoint, until = next(iter(self._awake_until.items()))
            if until > now:
                return until - now
            self.silent(endpoint)
        return None

    async def wait(self, endpoint: str, timeout: float) -> None:
        """Until the device makes contact.

        Raises:
            DeviceAsleep: it did not within `timeout` seconds, or too many requests wait already.
        """
        waiting = self._waiting.setdefault(endpoint, deque())
        if len(waiting) >= MAX_WAITING:
            raise DeviceAsleep(f"{endpoint} sleeps, and {MAX_WAITING} requests wait for it already: try again later")
        contact: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(contact)
        try:
            await asyncio.wait_for(contact, timeout)
        except TimeoutError as error:
            raise DeviceAsleep(f"{endpoint} sleeps and made no contact within {timeout:g} s") from error
        finally:
            self._leave_queue(endpoint, contact)

    def release(self) -> None:
        """Let everything go on that waits, and see by itself why."""
        for endpoint in tuple(self._waiting):
            self._release(endpoint)

    def _leave_queue(self, endpoint: str, contact: "asyncio.Future[None]") -> None:
        waiting = self._waiting.get(endpoint)
        if waiting is not None:
            if contact in waiting:
                waiting.remove(contact)
            if not waiting:
                del self._waiting[endpoint]

    def _release(self, endpoint: str) -> None:
        for contact in self._waiting.pop(endpoint, ()):
            if not contact.done():
                contact.set_result(None)
