"""The bridge to a Leshan server: device operations over its REST API, and its event stream as events of ours."""

# ruff: noqa: ASYNC109 - a deadline is part of a device operation

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self
from weakref import WeakValueDictionary

from lwm2m.answers import Response
from lwm2m.errors import BadRequest, DeviceTimeout, Lwm2mError
from lwm2m.events import Deregistered, Event, Events, Listener
from lwm2m.leshan_answers import DelayedAnswers
from lwm2m.leshan_json import Json, node_json
from lwm2m.leshan_mirror import Mirror
from lwm2m.leshan_parse import device_event, mapping, parse_registration, parse_response
from lwm2m.leshan_rest import LeshanRest, client_url
from lwm2m.leshan_stream import EventReader
from lwm2m.nodes import Node, Resource
from lwm2m.observing import DEFAULT_TIMEOUT
from lwm2m.paths import Path
from lwm2m.push import BytesSource, Progress, Source
from lwm2m.registration import Registration
from lwm2m.values import ResourceType

MARGIN = 2.0  # seconds after a deadline in which Leshan itself may still tell of it
OPENING = 5.0  # seconds that a start waits for the event stream; later it goes on in the background
PUSH_BASE, PUSH_RATE = 60.0, 512  # seconds, and bytes per second of the slowest link that a push is given time for
_PACKAGE = Path.of(5, 0, 0)
_CHUNK = 1 << 16
_log = logging.getLogger(__name__)


class LeshanBridge:
    """Implements `DeviceBridge` over the REST API of a Leshan server. Use it as an async context manager.

    `address` is the server's, such as http://127.0.0.1:8080. `restored` are the registrations that were known when the
    process before this one ended: events tell what has changed since. A request for a sleeping device waits for the
    device within its own timeout; only one is sent at a time, because Leshan keeps no more than the last.
    """

    def __init__(self, address: str, *, restored: Iterable[Registration] = ()) -> None:
        self._rest = LeshanRest(address)
        self._events = Events()
        self._mirror = Mirror(restored)
        self._answers = DelayedAnswers()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._observed: set[tuple[str, tuple[Path, ...]]] = set()
        self._reader = EventReader(self._rest.http, self._list, self._heard)
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Read the event stream from now on; a server that is away is awaited in the background."""
        self._reading = asyncio.create_task(self._reader.run(), name="Leshan event stream")
        try:
            await asyncio.wait_for(self._reader.is_open.wait(), OPENING)
        except TimeoutError:
            _log.warning("no event stream yet: address=%s", self._rest.address)

    async def stop(self) -> None:
        """Close every connection, and end the streams of `events`."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._rest.http.aclose()
        self._events.close()

    async def registrations(self) -> list[Registration]:
        """Every registered device, by name, as the server knows it now; one that cannot be read hides no other."""
        listed = await self._rest.send("GET", "clients", "", DEFAULT_TIMEOUT)
        if not isinstance(listed, list):
            raise BadRequest(f"{self._rest.address}clients is no list: is this a Leshan server?")
        found: list[Registration] = []
        for each in listed:
            try:
                found.append(parse_registration(each))
            except Lwm2mError as error:
                _log.warning("registration passed over: address=%s error=%s", self._rest.address, error)
        return sorted(found, key=lambda registration: registration.endpoint)

    async def registration(self, endpoint: str) -> Registration:
        """One registered device."""
        return parse_registration(await self._rest.send("GET", client_url(endpoint), endpoint, DEFAULT_TIMEOUT))

    async def read(self, endpoint: str, path: Path, timeout: float = DEFAULT_TIMEOUT) -> Response:
        """Read what is at `path`."""
        return parse_response(path, await self._operate("GET", endpoint, str(path), timeout))

    async def write(
        self, endpoint: str, path: Path, content: Node | bytes, timeout: float = DEFAULT_TIMEOUT
    ) -> Response:
        """Replace what is at `path`; bytes are written as they are."""
        if isinstance(content, bytes):
            return await self.push_package(endpoint, content, timeout=timeout, path=path)
        body = json.dumps(node_json(content)).encode()
        return parse_response(path, await self._operate("PUT", endpoint, str(path), timeout, content=body))

    async def execute(
        self, endpoint: str, path: Path, arguments: str = "", timeout: float = DEFAULT_TIMEOUT
    ) -> Response:
        """Execute a resource."""
        answer = await self._operate(
            "POST", endpoint, str(path), timeout, content=arguments.encode(), kind="text/plain"
        )
        return parse_response(path, answer)

    async def discover(self, endpoint: str, path: Path, timeout: float = DEFAULT_TIMEOUT) -> Response:
        """List what is below `path`."""
        return parse_response(path, await self._operate("GET", endpoint, f"{path}/discover", timeout))

    async def observe(self, endpoint: str, path: Path, timeout: float = DEFAULT_TIMEOUT) -> Response:
        """Read, and hear of changes as `Notification` events."""
        response = parse_response(path, await self._operate("POST", endpoint, f"{path}/observe", timeout))
        if response.success:
            self._observed.add((endpoint, (path,)))
        return response

    async def cancel_observe(
        self, endpoint: str, path: Path, *, active: bool, timeout: float = DEFAULT_TIMEOUT
    ) -> Response | None:
        """Hear of changes no more; None when nothing was observed."""
        answer = await self._cancel(endpoint, (path,), f"{path}/observe", {}, active=active, timeout=timeout)
        return parse_response(path, answer) if answer is not None else None

    async def read_composite(self, endpoint: str, paths: Iterable[Path], timeout: float = DEFAULT_TIMEOUT) -> Response:
        """Read several paths at once; what the device does not have is absent."""
        return parse_response(None, await self._operate("GET", endpoint, "/composite", timeout, params=_paths(paths)))

    async def write_composite(
        self, endpoint: str, nodes: Mapping[Path, Node], timeout: float = DEFAULT_TIMEOUT
    ) -> Response:
        """Write several resources at once: all of them or none."""
        body = json.dumps({str(path): node_json(node) for path, node in nodes.items()}).encode()
        return parse_response(None, await self._operate("PUT", endpoint, "/composite", timeout, content=body))

    async def observe_composite(
        self, endpoint: str, paths: Iterable[Path], timeout: float = DEFAULT_TIMEOUT
    ) -> Response:
        """Read several paths, and hear of changes as `CompositeNotification` events."""
        wanted = tuple(paths)
        params = _paths(wanted)
        response = parse_response(
            None, await self._operate("POST", endpoint, "/composite/observe", timeout, params=params)
        )
        if response.success:
            self._observed.add((endpoint, wanted))
        return response

    async def cancel_observe_composite(
        self, endpoint: str, paths: Iterable[Path], *, active: bool, timeout: float = DEFAULT_TIMEOUT
    ) -> Response | None:
        """The same for an observation of several paths."""
        wanted = tuple(paths)
        tail = "/composite/observe"
        answer = await self._cancel(endpoint, wanted, tail, _paths(wanted), active=active, timeout=timeout)
        return parse_response(None, answer) if answer is not None else None

    async def push_package(
        self,
        endpoint: str,
        package: Source | bytes,
        progress: Progress | None = None,
        timeout: float = 3600.0,
        path: Path = _PACKAGE,
    ) -> Response:
        """Write a package, block-wise; Leshan tells nothing of the way, so `progress` hears of the start and the end.

        The deadline grows with the size and is at most `timeout`.
        """
        source = BytesSource(package) if isinstance(package, bytes) else package
        seconds = min(timeout, PUSH_BASE + source.size / PUSH_RATE)
        if progress is not None:
            progress(0)
        head, tail = _opaque_node(path)
        size = len(head) + 2 * source.size + len(tail)
        answer = await self._operate(
            "PUT",
            endpoint,
            str(path),
            seconds,
            params={"format": "OPAQUE"},
            content=_hexadecimal(source, head, tail),
            length=size,
        )
        response = parse_response(path, answer)
        if progress is not None and response.success:
            progress(source.size)
        return response

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each event from now on; the result stops that."""
        return self._events.listen(listener)

    def events(self) -> AsyncIterator[Event]:
        """Each event from now on."""
        return self._events.stream()

    async def _cancel(
        self,
        endpoint: str,
        paths: tuple[Path, ...],
        tail: str,
        params: Mapping[str, str],
        *,
        active: bool,
        timeout: float,
    ) -> object | None:
        """The answer of the device; for a passive cancel, which Leshan accepts always, whether we had observed."""
        had = (endpoint, paths) in self._observed
        self._observed.discard((endpoint, paths))
        if active:
            return await self._operate("DELETE", endpoint, tail, timeout, params={**params, "active": ""})
        await self._rest.send("DELETE", client_url(endpoint) + tail, endpoint, timeout, params=params)
        return {"status": "CHANGED(204)", "success": True} if had else None

    async def _operate(
        self,
        method: str,
        endpoint: str,
        tail: str,
        timeout: float,
        *,
        params: Mapping[str, str] | None = None,
        content: bytes | AsyncIterator[bytes] = b"",
        kind: str = "application/json",
        length: int | None = None,
    ) -> object:
        """One device operation; the answer of the device, at once or when it wakes up. None for HTTP 404."""
        headers = {"content-type": kind} if method in {"PUT", "POST"} else {}
        if length is not None:
            headers["content-length"] = str(length)
        query = {**(params or {}), "timeout": str(math.ceil(timeout))}
        try:
            async with asyncio.timeout(timeout + MARGIN), self._turn(endpoint):
                url = client_url(endpoint) + tail
                answer = await self._rest.send(
                    method, url, endpoint, None, params=query, content=content, headers=headers
                )
                if isinstance(answer, dict) and answer.get("delayed") is True:
                    _log.info("device sleeps: endpoint=%r request=%s%s", endpoint, method, tail)
                    return await self._answers.wait(str(answer.get("requestId")), endpoint)
                return answer
        except DeviceTimeout:
            raise
        except TimeoutError as error:
            raise DeviceTimeout(
                f"no answer from {endpoint} through {self._rest.address} within {timeout:g} s"
            ) from error

    @asynccontextmanager
    async def _turn(self, endpoint: str) -> AsyncIterator[None]:
        """One's turn, in the order of asking. A device that sleeps keeps it: Leshan would drop the request before."""
        lock = self._turns.get(endpoint)
        if lock is None:
            lock = self._turns[endpoint] = asyncio.Lock()
        async with lock:
            registration = self._mirror.get(endpoint) or await self.registration(endpoint)
            if registration.queue_mode:
                yield
                return
        # A device that listens takes requests as they come: Leshan's CoAP stack orders them.
        yield

    async def _list(self) -> None:
        self._publish(self._mirror.listed(await self.registrations()))

    def _heard(self, name: str, data: object) -> None:
        fields = mapping(data)
        match name:
            case "REGISTRATION":
                self._publish(self._mirror.seen(parse_registration(fields)))
            case "UPDATED":
                self._publish(self._mirror.seen(parse_registration(fields.get("registration"))))
            case "DEREGISTRATION":
                self._publish(self._mirror.gone(parse_registration(fields)))
            case "REQUEST_RESPONSE":
                self._answers.answered(fields)
            case "COAPLOG":
                pass  # only for people
            case _:
                event = device_event(name, fields)
                if event is not None:
                    self._publish([event])

    def _publish(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, Deregistered):
                endpoint = event.registration.endpoint
                self._observed = {each for each in self._observed if each[0] != endpoint}
                self._answers.lost(endpoint)
            self._events.publish(event)


def _opaque_node(path: Path) -> tuple[bytes, bytes]:
    """The JSON around the hexadecimal digits of an opaque value."""
    node: Json = node_json(Resource(path.ids[-1], ResourceType.OPAQUE, b""))
    if path.level > 3:
        node["kind"] = "resourceInstance"
    head, _, tail = json.dumps(node | {"value": "\0"}).partition("\\u0000")
    return head.encode(), tail.encode()


async def _hexadecimal(source: Source, head: bytes, tail: bytes) -> AsyncIterator[bytes]:
    yield head
    for offset in range(0, source.size, _CHUNK):
        yield (await source.read(offset, _CHUNK)).hex().encode()
    yield tail


def _paths(paths: Iterable[Path]) -> dict[str, str]:
    return {"paths": ",".join(map(str, paths))}
