"""Device management: the operations that a server performs on registered devices (Core 1.1.1, section 6.3)."""

# ruff: noqa: ASYNC109 - a deadline is part of a device operation: retransmissions are planned by it

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from lwm2m.codecs import ContentFormat, decode, encode
from lwm2m.errors import BadRequest, CodecError, DeviceTimeout, NotRegistered, PathError, Rejected
from lwm2m.events import Events, Notification
from lwm2m.links import Link, parse_links
from lwm2m.messages import CoapEndpoint, Code, Method, Reply, Request, Watch, is_success
from lwm2m.nodes import Instance, MultiResource, Node, Object, Resource, ResourceInstance
from lwm2m.paths import Path
from lwm2m.push import BytesSource, Progress, Source, push_blocks
from lwm2m.registration import Registration
from lwm2m.values import ResourceType

DEFAULT_TIMEOUT = 10.0  # seconds for one operation
ONE_BLOCK = 1024  # bytes that travel in one message
BLOCK_TIMEOUT = 60.0  # seconds for one block of a push: four retransmissions
MAX_OUTSTANDING = 200  # requests to all devices: more overflow the socket's receive buffer
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Response:
    """What a device answered. An error code is an answer too: look at `success`, or call `require_success`."""

    code: int
    content: Node | None = None
    diagnostic: str = ""
    links: tuple[Link, ...] = ()
    location: str | None = None

    @property
    def success(self) -> bool:
        """Whether the device did what it was asked."""
        return is_success(self.code)

    def require_success(self) -> "Response":
        """This response.

        Raises:
            Rejected: the device answered with an error code.
        """
        if not self.success:
            raise Rejected(self.code, self.diagnostic)
        return self


@dataclass(slots=True)
class _Observation:
    """An observed path and what keeps it alive."""

    registration_id: str
    watch: Watch = field(repr=False)


class Downlink:
    """Sends requests to devices: at most one at a time to each, and at most 200 to all of them."""

    def __init__(self, find: Callable[[str], Registration | None], events: Events) -> None:
        self._find = find
        self._events = events
        self._coap: CoapEndpoint | None = None
        self._slots = asyncio.Semaphore(MAX_OUTSTANDING)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._observations: dict[tuple[str, Path], _Observation] = {}

    def attach(self, coap: CoapEndpoint | None) -> None:
        """Use this socket; None when the server stops."""
        self._coap = coap

    async def read(
        self, endpoint: str, path: Path, accept: int | None = None, timeout: float = DEFAULT_TIMEOUT
    ) -> Response:
        """Read an object, an instance, a resource or a resource instance, decoded by what the device sent."""
        registration = self._registration(endpoint)
        request = Request(Method.GET, _uri(registration, path), accept=accept)
        return _content(path, await self._exchange(registration, request, timeout))

    async def discover(
        self, endpoint: str, path: Path, depth: int | None = None, timeout: float = DEFAULT_TIMEOUT
    ) -> Response:
        """Which instances, resources and attributes are below `path`."""
        registration = self._registration(endpoint)
        query = () if depth is None else (f"depth={depth}",)
        request = Request(Method.GET, _uri(registration, path), query, accept=ContentFormat.LINK)
        reply = await self._exchange(registration, request, timeout)
        if not is_success(reply.code):
            return _plain(reply)
        return Response(reply.code, links=parse_links(_text(reply.payload)))

    async def write(
        self,
        endpoint: str,
        path: Path,
        content: Node | bytes,
        content_format: int | None = None,
        *,
        replace: bool = True,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Response:
        """Write a node, or bytes that are already in `content_format`; `replace=False` keeps what is not sent."""
        registration = self._registration(endpoint)
        if isinstance(content, bytes):
            number = ContentFormat.OPAQUE if content_format is None else content_format
            payload = content
        else:
            number = default_format(content) if content_format is None else content_format
            payload = encode(path, content, number)
        method = Method.PUT if replace else Method.POST
        if len(payload) > ONE_BLOCK:
            source = BytesSource(payload)
            return await self._push(registration, path, source, number, _ignore, timeout, method=method)
        request = Request(method, _uri(registration, path), content_format=number, payload=payload)
        return _plain(await self._exchange(registration, request, timeout))

    async def write_attributes(
        self, endpoint: str, path: Path, attributes: Mapping[str, str | None], timeout: float = DEFAULT_TIMEOUT
    ) -> Response:
        """Set pmin, pmax, gt, lt, st and their like; None removes an attribute."""
        registration = self._registration(endpoint)
        query = tuple(name if value is None else f"{name}={value}" for name, value in attributes.items())
        request = Request(Method.PUT, _uri(registration, path), query)
        return _plain(await self._exchange(registration, request, timeout))

    async def execute(
        self, endpoint: str, path: Path, arguments: str = "", timeout: float = DEFAULT_TIMEOUT
    ) -> Response:
        """Execute a resource, with arguments such as `0='x',1`."""
        registration = self._registration(endpoint)
        payload = arguments.encode()
        number = ContentFormat.TEXT if payload else None
        request = Request(Method.POST, _uri(registration, path), content_format=number, payload=payload)
        return _plain(await self._exchange(registration, request, timeout))

    async def create(
        self,
        endpoint: str,
        object_id: int,
        resources: Iterable[Resource | MultiResource],
        *,
        instance_id: int | None = None,
        content_format: int = ContentFormat.TLV,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Response:
        """Create an object instance; without an id the device chooses one and answers with its location."""
        registration = self._registration(endpoint)
        path = Path.of(object_id)
        if instance_id is not None:
            node = Object(object_id, (Instance(instance_id, tuple(resources)),))
            payload = encode(path, node, content_format)
        elif content_format == ContentFormat.TLV:
            payload = encode(path / 0, Instance(0, tuple(resources)), content_format)
        else:
            raise CodecError("an instance without an id can only be created in TLV: its names would carry one")
        request = Request(Method.POST, _uri(registration, path), content_format=content_format, payload=payload)
        return _plain(await self._exchange(registration, request, timeout))

    async def delete(self, endpoint: str, path: Path, timeout: float = DEFAULT_TIMEOUT) -> Response:
        """Delete an object instance."""
        registration = self._registration(endpoint)
        return _plain(await self._exchange(registration, Request(Method.DELETE, _uri(registration, path)), timeout))

    async def observe(
        self, endpoint: str, path: Path, accept: int | None = None, timeout: float = DEFAULT_TIMEOUT
    ) -> Response:
        """Read, and hear of changes as `Notification` events until the device registers again."""
        registration = self._registration(endpoint)
        request = Request(Method.GET, _uri(registration, path), accept=accept)
        coap = self._socket()
        async with self._turn(registration, timeout) as left:
            reply, watch = await coap.observe(
                registration.address, request, left(), lambda notification: self._notified(endpoint, path, notification)
            )
        self.forget(endpoint, path)
        if watch is not None and is_success(reply.code):
            self._observations[endpoint, path] = _Observation(registration.id, watch)
        return _content(path, reply)

    async def cancel_observe(
        self, endpoint: str, path: Path, *, active: bool, timeout: float = DEFAULT_TIMEOUT
    ) -> Response | None:
        """End an observation; None when there is none. Only an active cancel asks the device and has its answer."""
        registration = self._registration(endpoint)
        if not active:
            return Response(Code.CONTENT) if self.forget(endpoint, path) else None
        observation = self._observations.pop((endpoint, path), None)
        if observation is None:
            return None
        async with self._turn(registration, timeout) as left:
            return _content(path, await observation.watch.cancel(left()))

    async def push(
        self,
        endpoint: str,
        path: Path,
        package: Source | bytes,
        progress: Progress | None = None,
        timeout: float = 3600.0,
    ) -> Response:
        """Write an opaque resource block by block, with a deadline for the whole; other requests may run in between."""
        registration = self._registration(endpoint)
        source = BytesSource(package) if isinstance(package, bytes) else package
        return await self._push(registration, path, source, ContentFormat.OPAQUE, progress or _ignore, timeout)

    def observed(self, endpoint: str) -> list[Path]:
        """The paths of a device that are observed."""
        return sorted(path for name, path in self._observations if name == endpoint)

    def forget(self, endpoint: str, path: Path | None = None) -> bool:
        """Drop the observations of a device, or of one path of it, without asking; whether there was one."""
        gone = [key for key in self._observations if key[0] == endpoint and path in (None, key[1])]
        for key in gone:
            self._observations.pop(key).watch.forget()
        return bool(gone)

    def _registration(self, endpoint: str) -> Registration:
        registration = self._find(endpoint)
        if registration is None:
            raise NotRegistered(endpoint)
        return registration

    def _socket(self) -> CoapEndpoint:
        if self._coap is None:
            raise BadRequest("the LwM2M server is not running: start it first")
        return self._coap

    async def _exchange(self, registration: Registration, request: Request, timeout: float) -> Reply:
        coap = self._socket()
        async with self._turn(registration, timeout) as left:
            return await coap.request(registration.address, request, left())

    async def _push(
        self,
        registration: Registration,
        path: Path,
        source: Source,
        content_format: int,
        progress: Progress,
        timeout: float,
        *,
        method: int = Method.PUT,
    ) -> Response:
        async def exchange(request: Request) -> Reply:
            return await self._exchange(registration, request, min(BLOCK_TIMEOUT, timeout))

        uri = _uri(registration, path)
        try:
            async with asyncio.timeout(timeout):
                return _plain(await push_blocks(exchange, uri, content_format, source, progress, method=method))
        except DeviceTimeout:
            raise
        except TimeoutError as error:
            raise DeviceTimeout(f"{registration.endpoint} did not take it all within {timeout:g} s") from error

    def _turn(self, registration: Registration, timeout: float) -> "_Turn":
        # Weak: a lock lives as long as somebody holds or awaits it, so that devices that left cost nothing.
        lock = self._turns.get(registration.endpoint)
        if lock is None:
            lock = self._turns[registration.endpoint] = asyncio.Lock()
        return _Turn(lock, self._slots, timeout, registration.endpoint)

    def _notified(self, endpoint: str, path: Path, reply: Reply) -> None:
        if not is_success(reply.code):
            self._observations.pop((endpoint, path), None)
            return
        try:
            content = _content(path, reply).content
        except CodecError as error:
            # Nobody waits for a notification who could be told.
            _log.warning("notification dropped: endpoint=%r path=%s error=%s", endpoint, path, error)
            return
        if content is not None:
            self._events.publish(Notification(endpoint, path, content))


class _Turn:
    """Waits for the device's turn and for a free slot; gives the time that is left of the deadline."""

    def __init__(self, lock: asyncio.Lock, slots: asyncio.Semaphore, timeout: float, endpoint: str) -> None:
        self._lock = lock
        self._slots = slots
        self._timeout = timeout
        self._endpoint = endpoint

    async def __aenter__(self) -> Callable[[], float]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        try:
            async with asyncio.timeout_at(deadline):
                await self._lock.acquire()
                try:
                    await self._slots.acquire()
                except BaseException:
                    self._lock.release()
                    raise
        except TimeoutError as error:
            raise DeviceTimeout(f"{self._endpoint} is busy with an earlier request") from error
        return lambda: max(deadline - loop.time(), 0.01)

    async def __aexit__(self, *_: object) -> None:
        self._slots.release()
        self._lock.release()


def default_format(node: Node) -> ContentFormat:
    """The format that most devices take for a node: bytes as they are, one value as text, several as TLV."""
    if isinstance(node, Resource | ResourceInstance):
        return ContentFormat.OPAQUE if node.type is ResourceType.OPAQUE else ContentFormat.TEXT
    return ContentFormat.TLV


def _ignore(_: int) -> None:
    """Nobody watches the progress."""


def _uri(registration: Registration, path: Path) -> tuple[str, ...]:
    return (*(part for part in registration.root_path.split("/") if part), *path.segments)


def _plain(reply: Reply) -> Response:
    location = "/".join(reply.location) if reply.location else None
    return Response(reply.code, diagnostic=_diagnostic(reply), location=location)


def _content(path: Path, reply: Reply) -> Response:
    if reply.code != Code.CONTENT:
        return _plain(reply)
    number = reply.content_format
    if number is None:
        number = ContentFormat.TEXT if path.level >= 3 else ContentFormat.TLV
    try:
        return Response(reply.code, decode(path, reply.payload, number))
    except PathError as error:
        raise CodecError(f"the device's content names no path: {error}") from error


def _diagnostic(reply: Reply) -> str:
    return "" if is_success(reply.code) else _text(reply.payload)[:1024]


def _text(payload: bytes) -> str:
    return payload.decode(errors="replace")
