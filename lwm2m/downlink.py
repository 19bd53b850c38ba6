"""Device management: the operations that a server performs on registered devices (Core 1.1.1, section 6.3)."""

# ruff: noqa: ASYNC109 - a deadline is part of a device operation: retransmissions are planned by it

import asyncio
from collections.abc import Iterable, Mapping

from lwm2m.answers import Response, composite_response, content_response, links_response, plain_response
from lwm2m.codecs import ContentFormat, encode
from lwm2m.codecs.composite import encode_nodes, encode_paths
from lwm2m.errors import CodecError, DeviceTimeout
from lwm2m.messages import Method, Reply, Request
from lwm2m.nodes import Instance, MultiResource, Node, Object, Resource, ResourceInstance
from lwm2m.observing import DEFAULT_TIMEOUT, Observing
from lwm2m.paths import Path
from lwm2m.push import BytesSource, Progress, Source, push_blocks
from lwm2m.values import ResourceType

__all__ = ["DEFAULT_TIMEOUT", "Downlink", "Response", "default_format"]

ONE_BLOCK = 1024  # bytes that travel in one message
BLOCK_TIMEOUT = 60.0  # seconds for one block of a push: four retransmissions


class Downlink(Observing):
    """Sends requests to devices: at most one at a time to each, and at most 200 to all of them.

    `timeout` is for the whole of an operation. A request to a device in queue mode that sleeps waits for its next
    contact that long, or is refused at once (`DeviceAsleep`) when `wait` is false.
    """

    async def read(
        self,
        endpoint: str,
        path: Path,
        accept: int | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        *,
        wait: bool = True,
    ) -> Response:
        """Read an object, an instance, a resource or a resource instance, decoded by what the device sent."""
        models = self._line.models(endpoint)
        request = Request(Method.GET, path.segments, accept=accept)
        return content_response(path, await self._line.exchange(endpoint, request, timeout, wait=wait), models)

    async def read_composite(
        self,
        endpoint: str,
        paths: Iterable[Path],
        *,
        accept: int | None = ContentFormat.SENML_CBOR,
        paths_format: int = ContentFormat.SENML_CBOR,
        timeout: float = DEFAULT_TIMEOUT,
        wait: bool = True,
    ) -> Response:
        """Read several paths at once; `nodes` of the response has those that the device has."""
        models, wanted = self._line.models(endpoint), tuple(paths)
        payload = encode_paths(wanted, paths_format)
        request = Request(Method.FETCH, (), accept=accept, content_format=paths_format, payload=payload)
        reply = await self._line.exchange(endpoint, request, timeout, wait=wait)
        return composite_response(wanted, reply, models)

    async def write_composite(
        self,
        endpoint: str,
        nodes: Mapping[Path, Node],
        *,
        content_format: int = ContentFormat.SENML_CBOR,
        timeout: float = DEFAULT_TIMEOUT,
        wait: bool = True,
    ) -> Response:
        """Write several paths at once: all of them, or none (Core 1.1.1, section 6.3.9)."""
        payload = encode_nodes(nodes, content_format)
        request = Request(Method.IPATCH, (), content_format=content_format, payload=payload)
        return plain_response(await self._line.exchange(endpoint, request, timeout, wait=wait))

    async def discover(
        self,
        endpoint: str,
        path: Path,
        depth: int | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        *,
        wait: bool = True,
    ) -> Response:
        """Which instances, resources and attributes are below `path`."""
        query = () if depth is None else (f"depth={depth}",)
        request = Request(Method.GET, path.segments, query, accept=ContentFormat.LINK)
        return links_response(await self._line.exchange(endpoint, request, timeout, wait=wait))

    async def write(
        self,
        endpoint: str,
        path: Path,
        content: Node | bytes,
        content_format: int | None = None,
        *,
        replace: bool = True,
        timeout: float = DEFAULT_TIMEOUT,
        wait: bool = True,
    ) -> Response:
        """Write a node, or bytes that are already in `content_format`; `replace=False` keeps what is not sent."""
        if isinstance(content, bytes):
            number = ContentFormat.OPAQUE if content_format is None else content_format
            payload = content
        else:
            number = default_format(content) if content_format is None else content_format
            payload = encode(path, content, number)
        method = Method.PUT if replace else Method.POST
        if len(payload) > ONE_BLOCK:
            source = BytesSource(payload)
            return await self._push(endpoint, path, source, number, _ignore, timeout, method=method, wait=wait)
        request = Request(method, path.segments, content_format=number, payload=payload)
        return plain_response(await self._line.exchange(endpoint, request, timeout, wait=wait))

    async def write_attributes(
        self,
        endpoint: str,
        path: Path,
        attributes: Mapping[str, str | None],
        timeout: float = DEFAULT_TIMEOUT,
        *,
        wait: bool = True,
    ) -> Response:
        """Set pmin, pmax, gt, lt, st and their like; None removes an attribute."""
        query = tuple(name if value is None else f"{name}={value}" for name, value in attributes.items())
        request = Request(Method.PUT, path.segments, query)
        return plain_response(await self._line.exchange(endpoint, request, timeout, wait=wait))

    async def execute(
        self, endpoint: str, path: Path, arguments: str = "", timeout: float = DEFAULT_TIMEOUT, *, wait: bool = True
    ) -> Response:
        """Execute a resource, with arguments such as `0='x',1`."""
        payload = arguments.encode()
        number = ContentFormat.TEXT if payload else None
        request = Request(Method.POST, path.segments, content_format=number, payload=payload)
        return plain_response(await self._line.exchange(endpoint, request, timeout, wait=wait))

    async def create(
        self,
        endpoint: str,
        object_id: int,
        resources: Iterable[Resource | MultiResource],
        *,
        instance_id: int | None = None,
        content_format: int = ContentFormat.TLV,
        timeout: float = DEFAULT_TIMEOUT,
        wait: bool = True,
    ) -> Response:
        """Create an object instance; without an id the device chooses one and answers with its location."""
        path = Path.of(object_id)
        if instance_id is not None:
            node = Object(object_id, (Instance(instance_id, tuple(resources)),))
            payload = encode(path, node, content_format)
        elif content_format == ContentFormat.TLV:
            payload = encode(path / 0, Instance(0, tuple(resources)), content_format)
        else:
            raise CodecError("an instance without an id can only be created in TLV: its names would carry one")
        request = Request(Method.POST, path.segments, content_format=content_format, payload=payload)
        return plain_response(await self._line.exchange(endpoint, request, timeout, wait=wait))

    async def delete(
        self, endpoint: str, path: Path, timeout: float = DEFAULT_TIMEOUT, *, wait: bool = True
    ) -> Response:
        """Delete an object instance."""
        request = Request(Method.DELETE, path.segments)
        return plain_response(await self._line.exchange(endpoint, request, timeout, wait=wait))

    async def push(
        self,
        endpoint: str,
        path: Path,
        package: Source | bytes,
        progress: Progress | None = None,
        timeout: float = 3600.0,
        *,
        wait: bool = True,
    ) -> Response:
        """Write an opaque resource block by block, with a deadline for the whole; other requests may run in between."""
        source = BytesSource(package) if isinstance(package, bytes) else package
        heard = progress or _ignore
        return await self._push(endpoint, path, source, ContentFormat.OPAQUE, heard, timeout, wait=wait)

    async def _push(
        self,
        endpoint: str,
        path: Path,
        source: Source,
        content_format: int,
        progress: Progress,
        timeout: float,
        *,
        wait: bool,
        method: int = Method.PUT,
    ) -> Response:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout

        async def exchange(request: Request) -> Reply:
            # Only the first block waits for a device that sleeps; one that falls asleep later has dropped the others.
            first = request.block1 is None or request.block1.number == 0
            left = deadline - loop.time() if first else min(BLOCK_TIMEOUT, deadline - loop.time())
            return await self._line.exchange(endpoint, request, left, wait=wait and first)

        try:
            async with asyncio.timeout(timeout):
                reply = await push_blocks(exchange, path.segments, content_format, source, progress, method=method)
        except DeviceTimeout:
            raise
        except TimeoutError as error:
            raise DeviceTimeout(f"{endpoint} did not take it all within {timeout:g} s") from error
        return plain_response(reply)


def default_format(node: Node) -> ContentFormat:
    """The format that most devices take for a node: bytes as they are, one value as text, several as TLV."""
    if isinstance(node, Resource | ResourceInstance):
        return ContentFormat.OPAQUE if node.type is ResourceType.OPAQUE else ContentFormat.TEXT
    return ContentFormat.TLV


def _ignore(_: int) -> None:
    """Nobody watches the progress."""
