"""The CoAP site of a device: maps requests of a server to its object tree (Core 1.1.1, section 6; facts in B.2)."""

import asyncio
import logging
from typing import Any

from aiocoap import Message, resource
from aiocoap.numbers.codes import Code as CoapCode

from lwm2m.client.package import Package
from lwm2m.client.tree import ClientResource, ObjectTree
from lwm2m.codecs import CodecError, ContentFormat, decode, encode
from lwm2m.errors import PathError, Refused
from lwm2m.links import format_links
from lwm2m.messages import Block, Code
from lwm2m.paths import Path

MAX_WRITE = 64 * 1024  # structured writes are assembled in memory; packages go to their sink
STALL_SECONDS = 120.0

_log = logging.getLogger(__name__)


class DeviceSite(resource.ObservableResource):  # type: ignore[misc] # aiocoap ships no types
    """Serves every path of the tree. One package transfer is in progress at a time; a new first block replaces it."""

    def __init__(self, tree: ObjectTree, *, stall_seconds: float = STALL_SECONDS) -> None:
        super().__init__()
        self._tree = tree
        self._stall_seconds = stall_seconds
        self._package: Package | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._watchers: dict[Any, Path] = {}

    def notify(self, path: Path) -> None:
        """A value changed: tell whoever observes it, its instance or its object."""
        for observation, observed in list(self._watchers.items()):
            if observed.contains(path):
                observation.trigger()

    def close(self) -> None:
        """Forget a transfer in progress."""
        self._forget_package()

    async def needs_blockwise_assembly(self, request: Any) -> bool:
        """Packages are taken block by block; everything else is small enough to be assembled by aiocoap."""
        return self._sink_resource(request) is None

    async def add_observation(self, request: Any, serverobservation: Any) -> None:
        """Accept what exists and fits a datagram; anything else is answered as a plain read."""
        try:
            path = _path(request)
            if path.level == 0 or not self._tree.observable(path):
                return
        except Refused:
            return
        self._watchers[serverobservation] = path
        serverobservation.accept(lambda: self._watchers.pop(serverobservation, None))

    async def render(self, request: Any) -> Any:
        """Answer one request; whatever the tree refuses becomes its CoAP code."""
        try:
            answer = await self._answer(request)
        except Refused as refusal:
            answer = Message(code=CoapCode(refusal.code), payload=str(refusal).encode()[:200])
        except CodecError as error:
            answer = Message(code=CoapCode(Code.BAD_REQUEST), payload=str(error).encode()[:200])
        if answer.opt.block1 is None:
            answer.opt.block1 = request.opt.block1
        return answer

    async def _answer(self, request: Any) -> Any:
        path = _path(request)
        match str(request.code):
            case "GET" if request.opt.accept == ContentFormat.LINK:
                payload = format_links(self._tree.discover(path)).encode()
                return Message(code=CoapCode(Code.CONTENT), payload=payload, content_format=int(ContentFormat.LINK))
            case "GET":
                return self._read(path, request.opt.accept)
            case "PUT" | "POST" if (sink := self._sink_resource(request)) is not None:
                return await self._take_block(request, sink)
            case "PUT" if request.opt.uri_query and not request.payload:
                self._tree.set_attributes(path, request.opt.uri_query)
            case "POST" if path.level == 3 and request.opt.content_format in (None, ContentFormat.TEXT):
                await self._tree.execute(path, request.payload)
            case "PUT" | "POST" if path.level >= 2:
                await self._write(path, request)
            case method:
                raise Refused(Code.METHOD_NOT_ALLOWED, f"{method} {path} is not supported")
        return Message(code=CoapCode(Code.CHANGED))

    def _read(self, path: Path, accept: int | None) -> Any:
        node = self._tree.read(path)
        single = path.level >= 3 and not hasattr(node, "instances")
        content_format = accept if accept is not None else ContentFormat.TEXT if single else ContentFormat.SENML_CBOR
        try:
            payload = encode(path, node, content_format)
        except CodecError as error:
            raise Refused(Code.NOT_ACCEPTABLE, str(error)) from error
        return Message(code=CoapCode(Code.CONTENT), payload=payload, content_format=int(content_format))

    async def _write(self, path: Path, request: Any) -> None:
        if len(request.payload) > MAX_WRITE:
            raise Refused(Code.REQUEST_ENTITY_TOO_LARGE, f"at most {MAX_WRITE} bytes are taken")
        content_format = request.opt.content_format
        if content_format is None:
            content_format = ContentFormat.TEXT
        await self._tree.write(path, decode(path, request.payload, content_format))

    def _sink_resource(self, request: Any) -> ClientResource | None:
        """The resource that streams, when this request writes one."""
        try:
            path = _path(request)
            found = self._tree.resource(path) if path.level == 3 and str(request.code) in ("PUT", "POST") else None
        except Refused:
            return None
        return found if found is not None and found.sink is not None else None

    async def _take_block(self, request: Any, target: ClientResource) -> Any:
        if request.opt.content_format not in (None, ContentFormat.OPAQUE):
            raise Refused(Code.UNSUPPORTED_CONTENT_FORMAT, "a package is written as opaque (42)")
        option = request.opt.block1
        block = Block(option.block_number, option.more, option.size_exponent) if option is not None else None
        try:
            package = self._package_for(request, target, block)
            package.take(request.payload, block)
        except Refused as refusal:
            if refusal.code != Code.REQUEST_ENTITY_INCOMPLETE:
                self._forget_package()
            raise
        if block is not None and block.more:
            self._await_next_block()
            return Message(code=CoapCode(Code.CONTINUE), block1=option)
        self._package = None
        self._cancel_stall()
        await package.sink.complete()
        return Message(code=CoapCode(Code.CHANGED))

    def _package_for(self, request: Any, target: ClientResource, block: Block | None) -> Package:
        peer = str(request.remote.blockwise_key)
        if block is None or block.number == 0:
            self._forget_package()
            assert target.sink is not None  # noqa: S101 - _sink_resource found it
            self._package = Package.start(
                target.sink,
                peer,
                request.payload,
                more=block is not None and block.more,
                announced=request.opt.size1,
            )
        if self._package is None or self._package.peer != peer or self._package.sink is not target.sink:
            raise Refused(Code.REQUEST_ENTITY_INCOMPLETE, "this block belongs to no transfer: start with block 0")
        return self._package

    def _await_next_block(self) -> None:
        self._cancel_stall()
        self._stall = asyncio.get_running_loop().call_later(self._stall_seconds, self._give_up)

    def _give_up(self) -> None:
        _log.warning("package transfer stalled seconds=%g", self._stall_seconds)
        self._forget_package()

    def _forget_package(self) -> None:
        self._cancel_stall()
        package, self._package = self._package, None
        if package is not None:
            package.sink.abandon()

    def _cancel_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None


def _path(request: Any) -> Path:
    try:
        return Path.parse("/".join(request.opt.uri_path))
    except PathError as error:
        raise Refused(Code.NOT_FOUND, str(error)) from error
