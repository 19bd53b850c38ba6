"""The CoAP site of a device: maps requests of a server to its object tree (Core 1.1.1, section 6; facts in B.2)."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiocoap import Message, interfaces, resource
from aiocoap.numbers.codes import Code as CoapCode

from lwm2m.client.bootstrap import BootstrapSession
from lwm2m.client.observers import Observers
from lwm2m.client.package import Package
from lwm2m.client.tree import ClientResource, ObjectTree
from lwm2m.codecs import CodecError, ContentFormat, decode, decode_nodes, decode_paths, encode, encode_nodes
from lwm2m.errors import PathError, Refused
from lwm2m.links import Link, format_links
from lwm2m.messages import Block, Code
from lwm2m.nodes import Instance, Leaf, Node, Object, flatten, node_for
from lwm2m.paths import Path

SECURITY_OBJECT, SERVER_OBJECT = 0, 1
MAX_WRITE = 64 * 1024  # structured writes are assembled in memory; packages go to their sink
STALL_SECONDS = 120.0

_log = logging.getLogger(__name__)


class DeviceSite(resource.ObservableResource):  # type: ignore[misc] # aiocoap ships no types
    """Serves every path of the tree. One package transfer is in progress at a time; a new first block replaces it.

    While `bootstrap` is set, its server may write Objects 0 and 1. `objects_changed` is called after Create and Delete.
    """

    def __init__(self, tree: ObjectTree, *, stall_seconds: float = STALL_SECONDS) -> None:
        super().__init__()
        self._tree = tree
        self._stall_seconds = stall_seconds
        self._package: Package | None = None
        self._stall: asyncio.TimerHandle | None = None
        self.observers = Observers(tree)
        self.bootstrap: BootstrapSession | None = None
        self.objects_changed: Callable[[], None] = lambda: None

    def notify(self, path: Path) -> None:
        """A value changed: tell whoever observes it, its instance or its object, as their attributes say."""
        self.observers.changed(path)

    def drop_package(self) -> None:
        """Forget a transfer in progress, as after a loss of the connection."""
        self._forget_package()

    def close(self) -> None:
        """Forget a transfer in progress, and the observers."""
        self._forget_package()
        self.observers.close()

    async def needs_blockwise_assembly(self, request: Any) -> bool:
        """Packages are taken block by block; everything else is small enough to be assembled by aiocoap."""
        return self._sink_resource(request) is None

    async def render_to_pipe(self, pipe: Any) -> None:
        """What cannot be observed is answered as a plain read (RFC 7641, section 4.1)."""
        if pipe.request.opt.observe == 0 and not self._observed(pipe.request):
            await interfaces.Resource._render_to_pipe(self, pipe)
        else:
            await super().render_to_pipe(pipe)

    async def add_observation(self, request: Any, serverobservation: Any) -> None:
        """Start to notify; aiocoap renders the request anew for each notification."""
        remove = self.observers.add(self._observed(request), serverobservation.trigger)
        serverobservation.accept(remove)

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
        if self.bootstrap is not None and request.remote == self.bootstrap.remote:
            return await self._answer_bootstrap(self.bootstrap, request)
        path = _path(request)
        if path.object_id == SECURITY_OBJECT:
            raise Refused(Code.UNAUTHORIZED, "the security object is for bootstrap servers only")
        match str(request.code):
            case "GET" | "FETCH" as method:
                return self._answer_read(method, path, request)
            case "iPATCH" if path.level == 0:
                await self._write_composite(request)
            case "PUT" | "POST" if (sink := self._sink_resource(request)) is not None:
                return await self._take_block(request, sink)
            case "PUT" if request.opt.uri_query and not request.payload:
                self._tree.set_attributes(path, request.opt.uri_query)
                self.observers.replan()
            case "POST" if path.level == 3 and request.opt.content_format in (None, ContentFormat.TEXT):
                await self._tree.execute(path, request.payload)
            case "POST" if path.level == 1:
                return self._create(path, request)
            case "PUT" | "POST" if path.level >= 2:
                await self._tree.write(path, _content(path, request))
                self.notify(path)
            case "DELETE":
                self._tree.delete(path)
                self.objects_changed()
                return Message(code=CoapCode(Code.DELETED))
            case method:
                raise Refused(Code.METHOD_NOT_ALLOWED, f"{method} {path} is not supported")
        return Message(code=CoapCode(Code.CHANGED))

    def _answer_read(self, method: str, path: Path, request: Any) -> Any:
        if method == "FETCH":
            if path.level:
                raise Refused(Code.METHOD_NOT_ALLOWED, "a composite read is sent to the root")
            return self._read_composite(request)
        if request.opt.accept == ContentFormat.LINK:
            return _links(self._tree.discover(path))
        return self._read(path, request.opt.accept)

    async def _answer_bootstrap(self, session: BootstrapSession, request: Any) -> Any:
        if tuple(request.opt.uri_path) == ("bs",) and str(request.code) == "POST":
            session.finish()
            return Message(code=CoapCode(Code.CHANGED))
        path = _path(request)
        match str(request.code):
            case "DELETE":
                session.accounts.delete(path)
                return Message(code=CoapCode(Code.DELETED))
            case "PUT" if path.object_id in (SECURITY_OBJECT, SERVER_OBJECT):
                session.accounts.write(path, _content(path, request))
            case "PUT" if path.level >= 1:
                await self._tree.write(path, _content(path, request))
            case "GET" if request.opt.accept in (None, ContentFormat.LINK):
                return _links(tuple(link for link in session.accounts.links() if _below(path, link)))
            case method:
                raise Refused(Code.METHOD_NOT_ALLOWED, f"{method} {path} is not part of a bootstrap")
        return Message(code=CoapCode(Code.CHANGED))

    def _observed(self, request: Any) -> tuple[Path, ...]:
        """What an Observe asks for; nothing when it does not exist or outgrows a datagram."""
        try:
            path = _path(request)
            paths = self._asked(request) if str(request.code) == "FETCH" and path.level == 0 else (path,)
            good = all(
                each.level and each.object_id != SECURITY_OBJECT and self._tree.observable(each) for each in paths
            )
        except (Refused, CodecError):
            return ()
        return paths if good else ()

    def _asked(self, request: Any) -> tuple[Path, ...]:
        if request.opt.content_format is None:
            raise Refused(Code.UNSUPPORTED_CONTENT_FORMAT, "a composite request says its format: 110 or 112")
        return decode_paths(request.payload, int(request.opt.content_format))

    def _read_composite(self, request: Any) -> Any:
        paths = self._asked(request)
        nodes: dict[Path, Node] = {}
        for path in paths:
            for each in (path,) if path.level else self._tree.objects():
                # What does not exist or cannot be read is left out (Core 1.1.1, section 6.3.8).
                with suppress(Refused):
                    if each.object_id != SECURITY_OBJECT:
                        nodes |= {leaf.path: node_for(leaf.path, leaf.value, leaf.type) for leaf in self._leaves(each)}
        accept = request.opt.accept if request.opt.accept is not None else request.opt.content_format
        try:
            payload = encode_nodes(nodes, int(accept))
        except CodecError as error:
            raise Refused(Code.NOT_ACCEPTABLE, str(error)) from error
        return Message(code=CoapCode(Code.CONTENT), payload=payload, content_format=int(accept))

    def _leaves(self, path: Path) -> list[Leaf]:
        return flatten(path, self._tree.read(path))

    async def _write_composite(self, request: Any) -> None:
        if request.opt.content_format is None:
            raise Refused(Code.UNSUPPORTED_CONTENT_FORMAT, "a composite request says its format: 110 or 112")
        nodes = decode_nodes(request.payload, int(request.opt.content_format))
        for path in nodes:
            if self._tree.resource(path).write is None:
                raise Refused(Code.METHOD_NOT_ALLOWED, f"{path} cannot be written: nothing was")
        for path, node in nodes.items():
            await self._tree.write(path, node)
            self.notify(path)

    def _create(self, path: Path, request: Any) -> Any:
        content_format = request.opt.content_format
        # Without a number TLV holds the bare resources, and the device chooses one.
        bare = content_format == ContentFormat.TLV and bool(request.payload) and request.payload[0] >> 6 != 0
        node = _content(path / 0 if bare else path, request)
        match node:
            case Instance():
                created = self._tree.create(path.ids[0], node, None)
            case Object(instances=(instance,)):
                created = self._tree.create(path.ids[0], instance, instance.id)
            case _:
                raise Refused(Code.BAD_REQUEST, "exactly one instance can be created at a time")
        self.objects_changed()
        return Message(code=CoapCode(Code.CREATED), location_path=created.segments)

    def _read(self, path: Path, accept: int | None) -> Any:
        node = self._tree.read(path)
        single = path.level >= 3 and not hasattr(node, "instances")
        content_format = accept if accept is not None else ContentFormat.TEXT if single else ContentFormat.SENML_CBOR
        try:
            payload = encode(path, node, content_format)
        except CodecError as error:
            raise Refused(Code.NOT_ACCEPTABLE, str(error)) from error
        return Message(code=CoapCode(Code.CONTENT), payload=payload, content_format=int(content_format))

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


def _content(path: Path, request: Any) -> Node:
    if len(request.payload) > MAX_WRITE:
        raise Refused(Code.REQUEST_ENTITY_TOO_LARGE, f"at most {MAX_WRITE} bytes are taken")
    number = request.opt.content_format
    return decode(path, request.payload, ContentFormat.TEXT if number is None else int(number))


def _links(links: tuple[Link, ...]) -> Any:
    payload = format_links(links).encode()
    return Message(code=CoapCode(Code.CONTENT), payload=payload, content_format=int(ContentFormat.LINK))


def _below(path: Path, link: Link) -> bool:
    return path.level == 0 or link.url == "/" or path.contains(Path.parse(link.url))


def _path(request: Any) -> Path:
    try:
        return Path.parse("/".join(request.opt.uri_path))
    except PathError as error:
        raise Refused(Code.NOT_FOUND, str(error)) from error
