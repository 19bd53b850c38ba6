"""What the application needs from an LwM2M server, whichever it is: the built-in one, or Leshan behind its REST API."""

# ruff: noqa: ASYNC109 - a deadline is part of a device operation

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from types import TracebackType
from typing import Protocol, Self

from lwm2m.answers import Response
from lwm2m.errors import BadRequest
from lwm2m.events import Event, Listener
from lwm2m.leshan_bridge import LeshanBridge
from lwm2m.nodes import Node
from lwm2m.observing import DEFAULT_TIMEOUT
from lwm2m.paths import Path
from lwm2m.push import Progress, Source
from lwm2m.registration import Registration
from lwm2m.server import Lwm2mServer

PACKAGE = Path.of(5, 0, 0)
EMBEDDED = "embedded"


class DeviceBridge(Protocol):
    """Devices as the application sees them. Use it as an async context manager.

    Every operation raises `NotRegistered`, `DeviceTimeout` (a device that sleeps is awaited that long) or
    `DeviceUnreachable`; an error code of the device is a `Response` whose `success` is false.
    """

    async def __aenter__(self) -> Self:
        """Devices can be asked and events come from now on."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free what was taken."""

    async def registrations(self) -> list[Registration]:
        """Every registered device, by name."""

    async def registration(self, endpoint: str) -> Registration:
        """One registered device."""

    async def read(self, endpoint: str, path: Path, timeout: float = DEFAULT_TIMEOUT) -> Response:
        """Read what is at `path`."""

    async def write(
        self, endpoint: str, path: Path, content: Node | bytes, timeout: float = DEFAULT_TIMEOUT
    ) -> Response:
        """Replace what is at `path`; bytes are an opaque value."""

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

    async def read_composite(self, endpoint: str, paths: Iterable[Path], timeout: float = DEFAULT_TIMEOUT) -> Response:
        """Read several paths at once; `nodes` of the response has those that the device has."""

    async def write_composite(
        self, endpoint: str, nodes: Mapping[Path, Node], timeout: float = DEFAULT_TIMEOUT
    ) -> Response:
        """Write several resources at once: all of them or none."""

    async def observe_composite(
        self, endpoint: str, paths: Iterable[Path], timeout: float = DEFAULT_TIMEOUT
    ) -> Response:
        """Read several paths, and hear of changes as `CompositeNotification` events."""

    async def cancel_observe_composite(
        self, endpoint: str, paths: Iterable[Path], *, active: bool, timeout: float = DEFAULT_TIMEOUT
    ) -> Response | None:
        """The same for an observation of several paths."""

    async def push_package(
        self,
        endpoint: str,
        package: Source | bytes,
        progress: Progress | None = None,
        timeout: float = 3600.0,
        path: Path = PACKAGE,
    ) -> Response:
        """Write a package block-wise; `progress` hears the bytes that have arrived, the first and the last at least."""

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each event from now on; the result stops that."""

    def events(self) -> AsyncIterator[Event]:
        """Each event from now on."""


class EmbeddedBridge:
    """The bridge to the server in this process, which whoever made it starts and stops."""

    def __init__(self, server: Lwm2mServer) -> None:
        self._server = server

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    async def registrations(self) -> list[Registration]:
        """Every registered device, by name."""
        return self._server.registrations()

    async def registration(self, endpoint: str) -> Registration:
        """One registered device."""
        return self._server.registration(endpoint)

    async def read(self, endpoint: str, path: Path, timeout: float = DEFAULT_TIMEOUT) -> Response:
        """Read what is at `path`."""
        return await self._server.read(endpoint, path, timeout=timeout)

    async def write(
        self, endpoint: str, path: Path, content: Node | bytes, timeout: float = DEFAULT_TIMEOUT
    ) -> Response:
        """Replace what is at `path`; bytes are an opaque value."""
        return await self._server.write(endpoint, path, content, timeout=timeout)

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

    async def read_composite(self, endpoint: str, paths: Iterable[Path], timeout: float = DEFAULT_TIMEOUT) -> Response:
        """Read several paths at once; `nodes` of the response has those that the device has."""
        return await self._server.read_composite(endpoint, paths, timeout=timeout)

    async def write_composite(
        self, endpoint: str, nodes: Mapping[Path, Node], timeout: float = DEFAULT_TIMEOUT
    ) -> Response:
        """Write several resources at once: all of them or none."""
        return await self._server.write_composite(endpoint, nodes, timeout=timeout)

    async def observe_composite(
        self, endpoint: str, paths: Iterable[Path], timeout: float = DEFAULT_TIMEOUT
    ) -> Response:
        """Read several paths, and hear of changes as `CompositeNotification` events."""
        return await self._server.observe_composite(endpoint, paths, timeout=timeout)

    async def cancel_observe_composite(
        self, endpoint: str, paths: Iterable[Path], *, active: bool, timeout: float = DEFAULT_TIMEOUT
    ) -> Response | None:
        """The same for an observation of several paths."""
        return await self._server.cancel_observe_composite(endpoint, paths, active=active, timeout=timeout)

    async def push_package(
        self,
        endpoint: str,
        package: Source | bytes,
        progress: Progress | None = None,
        timeout: float = 3600.0,
        path: Path = PACKAGE,
    ) -> Response:
        """Write a package block-wise; `progress` hears the bytes that have arrived, the first and the last at least."""
        return await self._server.push(endpoint, path, package, progress, timeout)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each event from now on; the result stops that."""
        return self._server.events.listen(listener)

    def events(self) -> AsyncIterator[Event]:
        """Each event from now on."""
        return self._server.events.stream()


def make_bridge(spec: str, server: Lwm2mServer, restored: Iterable[Registration] = ()) -> EmbeddedBridge | LeshanBridge:
    """The bridge that a setting names: `embedded` for `server`, or the address of a Leshan server.

    `restored` are stored registrations: a bridge to Leshan tells as events what has changed since. The built-in server
    takes them itself.

    Raises:
        BadRequest: the setting is neither.
    """
    if spec == EMBEDDED:
        return EmbeddedBridge(server)
    if "://" not in spec:
        raise BadRequest(f"{spec!r} is no bridge: write {EMBEDDED}, or the address of a Leshan server")
    return LeshanBridge(spec, restored=restored)
