"""What the application needs from an LwM2M server, whichever it is: the built-in one, or Leshan behind its REST API."""

# ruff: noqa: ASYNC109 - a deadline is part of a device operation

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from lwm2m.downlink import DEFAULT_TIMEOUT, Response
from lwm2m.events import Event, Listener
from lwm2m.nodes import Node
from lwm2m.paths import Path
from lwm2m.push import Progress, Source
from lwm2m.registration import Registration
from lwm2m.server import Lwm2mServer

PACKAGE = Path.of(5, 0, 0)


class DeviceBridge(Protocol):
    """Devices as the application sees them.

    Every operation raises `NotRegistered`, `DeviceTimeout` or `DeviceUnreachable`; an error code of the device is a
    `Response` whose `success` is false.
    """

    async def registrations(self) -> list[Registration]:
        """Every registered device, by name."""

    async def registration(self, endpoint: str) -> Registration:
        """One registered device."""

    async def read(self, endpoint: str, path: Path, timeout: float = DEFAULT_TIMEOUT) -> Response:
        """Read what is at `path`."""

    async def write(self, endpoint: str, path: Path, node: Node, timeout: float = DEFAULT_TIMEOUT) -> Response:
        """Replace what is at `path`."""

    async def execute(
        self, endpoint: str, path: Path, arguments: str = "", timeout: float = DEFAULT_TIMEOUT
    ) -> Response:
        """Execute a resource."""

    async def discover(self, endpoint: str, path: Path, timeout: float = DEFAULT_TIMEOUT) -> Response:
        """List what is below `path`."""

    async def observe(self, endpoint: str, path: Path, timeout: float = DEFAULT_TIMEOUT) -> Response:
        """Read, and hear of changes as `Notification` events."""

    async def cancel_observe(
        self, endpoint: str, path: Path, *, active: bool, timeout: float = DEFAULT_TIMEOUT
    ) -> Response | None:
        """Hear of changes no more; None when nothing was observed."""

    async def push_package(
        self, endpoint: str, package: Source | bytes, progress: Progress | None = None, timeout: float = 3600.0
    ) -> Response:
        """Write a firmware package to /5/0/0, block-wise; `progress` hears the bytes that have arrived."""

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each event from now on; the result stops that."""

    def events(self) -> AsyncIterator[Event]:
        """Each event from now on."""


class EmbeddedBridge:
    """The bridge to the server in this process."""

    def __init__(self, server: Lwm2mServer) -> None:
        self._server = server

    async def registrations(self) -> list[Registration]:
        """Every registered device, by name."""
        return self._server.registrations()

    async def registration(self, endpoint: str) -> Registration:
        """One registered device."""
        return self._server.registration(endpoint)

    async def read(self, endpoint: str, path: Path, timeout: float = DEFAULT_TIMEOUT) -> Response:
        """Read what is at `path`."""
        return await self._server.read(endpoint, path, timeout=timeout)

    async def write(self, endpoint: str, path: Path, node: Node, timeout: float = DEFAULT_TIMEOUT) -> Response:
        """Replace what is at `path`."""
        return await self._server.write(endpoint, path, node, timeout=timeout)

    async def execute(
        self, endpoint: str, path: Path, arguments: str = "", timeout: float = DEFAULT_TIMEOUT
    ) -> Response:
        """Execute a resource."""
        return await self._server.execute(endpoint, path, arguments, timeout)

    async def discover(self, endpoint: str, path: Path, timeout: float = DEFAULT_TIMEOUT) -> Response:
        """List what is below `path`."""
        return await self._server.discover(endpoint, path, timeout=timeout)

    async def observe(self, endpoint: str, path: Path, timeout: float = DEFAULT_TIMEOUT) -> Response:
        """Read, and hear of changes as `Notification` events."""
        return await self._server.observe(endpoint, path, timeout=timeout)

    async def cancel_observe(
        self, endpoint: str, path: Path, *, active: bool, timeout: float = DEFAULT_TIMEOUT
    ) -> Response | None:
        """Hear of changes no more; None when nothing was observed."""
        return await self._server.cancel_observe(endpoint, path, active=active, timeout=timeout)

    async def push_package(
        self, endpoint: str, package: Source | bytes, progress: Progress | None = None, timeout: float = 3600.0
    ) -> Response:
        """Write a firmware package to /5/0/0, block-wise; `progress` hears the bytes that have arrived."""
        return await self._server.push(endpoint, PACKAGE, package, progress, timeout)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each event from now on; the result stops that."""
        return self._server.events.listen(listener)

    def events(self) -> AsyncIterator[Event]:
        """Each event from now on."""
        return self._server.events.stream()
