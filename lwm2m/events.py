"""What happens to devices, told to whoever listens."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from lwm2m.nodes import Node
from lwm2m.paths import Path
from lwm2m.registration import Registration, RegistrationUpdate


class Reason(StrEnum):
    """Why a registration ended."""

    REQUEST = "request"
    EXPIRED = "expired"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Registered:
    """A device registered: after a start, a reboot, or a change of address. Its observations are gone."""

    registration: Registration
    previous: Registration | None


@dataclass(frozen=True, slots=True)
class Updated:
    """A device renewed its registration."""

    registration: Registration
    previous: Registration
    update: RegistrationUpdate


@dataclass(frozen=True, slots=True)
class Deregistered:
    """A registration ended."""

    registration: Registration
    reason: Reason


@dataclass(frozen=True, slots=True)
class Notification:
    """An observed path changed."""

    endpoint: str
    path: Path
    node: Node


@dataclass(frozen=True, slots=True)
class CompositeNotification:
    """Some of the paths of a composite observation changed."""

    endpoint: str
    paths: tuple[Path, ...]  # that are observed
    nodes: Mapping[Path, Node]  # those of `paths` that the device sent


@dataclass(frozen=True, slots=True)
class Sample:
    """What a device had at one moment."""

    at: float | None  # seconds since 1970; None when the device gave no time
    nodes: Mapping[Path, Node]  # by the paths that the device named


@dataclass(frozen=True, slots=True)
class Sent:
    """A device sent values without being asked (Send, Core 1.1.1, section 6.4.7)."""

    endpoint: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Awake:
    """A device in queue mode made contact and listens for a while."""

    endpoint: str


@dataclass(frozen=True, slots=True)
class Sleeping:
    """A device in queue mode does not listen any more, until its next contact."""

    endpoint: str


Event = Registered | Updated | Deregistered | Notification | CompositeNotification | Sent | Awake | Sleeping
Listener = Callable[[Event], None]

MAX_WAITING = 10_000  # events; a stream whose reader is that late is ended, so that memory stays bounded


class Subscription:
    """Events waiting for one reader; a context manager that ends it."""

    def __init__(self, on_end: Callable[["Subscription"], None]) -> None:
        self._on_end = on_end
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(MAX_WAITING + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._on_end(self)

    async def get(self) -> Event | None:
        """The next event; None when there will be no more."""
        return await self._queue.get()

    def put(self, event: Event) -> None:
        """Add an event, or end the subscription when its reader is too late."""
        if self._queue.qsize() < MAX_WAITING:
            self._queue.put_nowait(event)
        else:
            self.end()

    def end(self) -> None:
        """No more events after those that wait."""
        self._on_end(self)
        self._queue.put_nowait(None)


class Events:
    """Hands each event to every listener, in order."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._subscriptions: set[Subscription] = set()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each event from now on; the result stops that.

        A listener must return at once and must not raise: it runs before the device gets its answer.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def subscribe(self) -> "Subscription":
        """Queue each event from now on."""
        subscription = Subscription(self._subscriptions.discard)
        self._subscriptions.add(subscription)
        return subscription

    async def stream(self) -> AsyncIterator[Event]:
        """Each event from the first `anext` on, until `close` or until this reader falls too far behind."""
        with self.subscribe() as subscription:
            while (event := await subscription.get()) is not None:
                yield event

    def publish(self, event: Event) -> None:
        """Tell everybody."""
        for listener in tuple(self._listeners):
            listener(event)
        for subscription in tuple(self._subscriptions):
            subscription.put(event)

    def close(self) -> None:
        """End every subscription."""
        for subscription in tuple(self._subscriptions):
            subscription.end()
