"""A device on aiocoap with a tree of values, for tests of whatever stands between it and a user."""

import asyncio
from collections.abc import Iterable
from typing import Any

import aiocoap
import aiocoap.resource
from aiocoap.numbers.codes import Code

from lwm2m.codecs import ContentFormat, decode, encode
from lwm2m.codecs.composite import decode_nodes, decode_paths, encode_nodes
from lwm2m.errors import CodecError
from lwm2m.nodes import Leaf, assemble, flatten
from lwm2m.paths import Path
from lwm2m.values import ResourceType, Value

PACKAGE = Path.of(5, 0, 0)


class TreeDevice(aiocoap.resource.Resource):  # type: ignore[misc]  # aiocoap has no types
    """Answers by its values: what is not there is 4.04, Object 0 is 4.01, what is in `read_only` is not written."""

    def __init__(self) -> None:
        super().__init__()
        self.leaves: dict[Path, Leaf] = {}
        self.attributes: dict[Path, dict[str, str]] = {}
        self.read_only: set[Path] = set()
        self.refused: set[Path] = set()
        self.calls: list[tuple[str, str, Any]] = []
        self.package = b""
        self.silent = False
        self.block_delay = 0.0
        self.pipes: dict[str, Any] = {}
        self.sequence = 10
        self.running = 0
        self.highest = 0
        self.context: Any = None
        self.server_port = 0
        self.location = ""

    async def open(self, server_port: int) -> None:
        self.server_port = server_port
        self.context = await aiocoap.Context.create_server_context(self, bind=("127.0.0.1", 0), transports=["udp6"])

    async def close(self) -> None:
        await self.context.shutdown()

    # --- Values -------------------------------------------------------------------------------------------------

    def set(self, path: str, value: Value, kind: ResourceType = ResourceType.STRING) -> None:
        parsed = Path.parse(path)
        self.leaves[parsed] = Leaf(parsed, kind, value)

    def value(self, path: str) -> Value:
        return self.leaves[Path.parse(path)].value

    def below(self, path: Path) -> list[Leaf]:
        return [leaf for each, leaf in sorted(self.leaves.items()) if path.contains(each)]

    # --- Towards the server -------------------------------------------------------------------------------------

    async def send(self, code: Any, path: str, query: str = "", payload: bytes = b"", **options: Any) -> Any:
        uri = f"coap://127.0.0.1:{self.server_port}{path}" + (f"?{query}" if query else "")
        return await self.context.request(aiocoap.Message(code=code, uri=uri, payload=payload, **options)).response

    async def register(self, query: str, links: str) -> None:
        response = await self.send(Code.POST, "/rd", query, links.encode(), content_format=40)
        assert response.code == Code.CREATED, response.payload
        self.location = "/" + "/".join(response.opt.location_path)

    async def update(self, query: str = "") -> None:
        response = await self.send(Code.POST, self.location, query)
        assert response.code == Code.CHANGED, response.payload

    async def leave(self) -> None:
        await self.send(Code.DELETE, self.location)

    async def push_values(self, paths: Iterable[str]) -> None:
        """A Send."""
        wanted = [Path.parse(path) for path in paths]
        nodes = {path: assemble(path, self.below(path)) for path in wanted}
        payload = encode_nodes(nodes, ContentFormat.SENML_CBOR)
        response = await self.send(Code.POST, "/dp", payload=payload, content_format=112)
        assert response.code == Code.CHANGED, response.payload

    def notify(self, path: str) -> None:
        """Tell the observer of a path, or of comma-separated paths, what is there now."""
        self.sequence += 1
        pipe = self.pipes[path]
        message = self._content(pipe.request)
        message.opt.observe = self.sequence
        pipe.add_response(message)

    # --- From the server ----------------------------------------------------------------------------------------

    async def needs_blockwise_assembly(self, request: Any) -> bool:  # noqa: ARG002 - the library's signature
        await asyncio.sleep(self.block_delay)
        return True

    async def render_to_pipe(self, pipe: Any) -> None:
        request = pipe.request
        if request.opt.observe is not None and self._allowed(request):
            key = self._key(request)
            if request.opt.observe == 0:
                self.calls.append(("observe", key, None))
                self.pipes[key] = pipe
                message = self._content(request)
                message.opt.observe = self.sequence
                pipe.add_response(message)
                await asyncio.Event().wait()
            self.calls.append(("cancel", key, None))
            self.pipes.pop(key, None)
        await super().render_to_pipe(pipe)

    async def render(self, request: Any) -> Any:
        if self.silent:
            await asyncio.Event().wait()
        self.running += 1
        self.highest = max(self.highest, self.running)
        await asyncio.sleep(0)
        try:
            return self._answer(request)
        except CodecError as error:
            return aiocoap.Message(code=Code.BAD_REQUEST, payload=str(error).encode())
        finally:
            self.running -= 1

    def _answer(self, request: Any) -> Any:
        path = Path.parse("/".join(request.opt.uri_path))
        if path.ids[:1] == (0,):
            return aiocoap.Message(code=Code.UNAUTHORIZED)
        if path in self.refused:
            return aiocoap.Message(code=Code.METHOD_NOT_ALLOWED, payload=b"not now")
        match request.code:
            case Code.GET if request.opt.accept == ContentFormat.LINK:
                return self._discover(path)
            case Code.GET | Code.FETCH:
                return self._content(request)
            case Code.PUT:
                return self._put(path, request)
            case Code.POST if path.level == 3:
                self.calls.append(("execute", str(path), request.payload.decode()))
                return aiocoap.Message(code=Code.CHANGED)
            case Code.POST if path.level == 1:
                return self._create(path, request)
            case Code.POST:
                return self._write(path, request, replace=False)
            case Code.DELETE:
                for leaf in self.below(path):
                    del self.leaves[leaf.path]
                return aiocoap.Message(code=Code.DELETED)
            case Code.iPATCH:
                return self._write_composite(request)
            case _:
                return aiocoap.Message(code=Code.METHOD_NOT_ALLOWED)

    def _put(self, path: Path, request: Any) -> Any:
        if not request.opt.uri_query:
            return self._write(path, request, replace=True)
        self.calls.append(("attributes", str(path), request.opt.uri_query))
        pairs = (each.partition("=") for each in request.opt.uri_query)
        self.attributes[path] = {name: value for name, _, value in pairs}
        return aiocoap.Message(code=Code.CHANGED)

    def _write_composite(self, request: Any) -> Any:
        nodes = decode_nodes(request.payload, request.opt.content_format)
        self.calls.append(("write-composite", ",".join(map(str, nodes)), None))
        for each, node in nodes.items():
            self._store(each, flatten(each, node), replace=False)
        return aiocoap.Message(code=Code.CHANGED)

    def _content(self, request: Any) -> Any:
        path = Path.parse("/".join(request.opt.uri_path))
        if request.code == Code.FETCH:
            wanted = decode_paths(request.payload, request.opt.content_format)
            number = int(request.opt.accept or ContentFormat.SENML_CBOR)
            found = {leaf.path: leaf for each in wanted for leaf in self.below(each)}
            nodes = {each: assemble(each, [leaf]) for each, leaf in found.items()}
            return aiocoap.Message(code=Code.CONTENT, payload=encode_nodes(nodes, number), content_format=number)
        leaves = self.below(path)
        if not leaves:
            return aiocoap.Message(code=Code.NOT_FOUND, payload=f"nothing at {path}".encode())
        default = ContentFormat.TEXT if leaves[0].path == path else ContentFormat.SENML_CBOR
        number = int(default if request.opt.accept is None else request.opt.accept)
        payload = encode(path, assemble(path, leaves), number)
        return aiocoap.Message(code=Code.CONTENT, payload=payload, content_format=number)

    def _discover(self, path: Path) -> Any:
        below = {leaf.path.ids[:3] for leaf in self.below(path)}
        paths = sorted({path, *(Path(ids[:level]) for ids in below for level in range(path.level, 4))})
        links = ",".join(f"<{each}>{self._attributes(each)}" for each in paths if path.contains(each))
        return aiocoap.Message(code=Code.CONTENT, payload=links.encode(), content_format=40)

    def _attributes(self, path: Path) -> str:
        dimension = len([leaf for leaf in self.below(path) if leaf.path.level == 4]) if path.level == 3 else 0
        known = ({"dim": str(dimension)} if dimension else {}) | self.attributes.get(path, {})
        return "".join(f";{name}={value}" for name, value in known.items())

    def _write(self, path: Path, request: Any, *, replace: bool) -> Any:
        if path == PACKAGE:
            self.package = request.payload
            self.calls.append(("write", str(path), None))
            return aiocoap.Message(code=Code.CHANGED)
        node = decode(path, request.payload, request.opt.content_format)
        leaves = flatten(path, node)
        if path in self.read_only or any(Path(leaf.path.ids[:3]) in self.read_only for leaf in leaves):
            return aiocoap.Message(code=Code.METHOD_NOT_ALLOWED)
        self.calls.append(("write", str(path), leaves[0].value if path.level == 3 else None))
        self._store(path, leaves, replace=replace)
        return aiocoap.Message(code=Code.CHANGED)

    def _create(self, path: Path, request: Any) -> Any:
        node = decode(path, request.payload, request.opt.content_format)
        leaves = flatten(path, node)
        self._store(path, leaves, replace=False)
        instance = str(leaves[0].path.ids[1])
        return aiocoap.Message(code=Code.CREATED, location_path=(str(path.ids[0]), instance))

    def _store(self, path: Path, leaves: list[Leaf], *, replace: bool) -> None:
        if replace:
            for old in self.below(path):
                # What a server may not write stays when the rest is replaced.
                if Path(old.path.ids[:3]) not in self.read_only:
                    del self.leaves[old.path]
        for leaf in leaves:
            self.leaves[leaf.path] = leaf

    def _allowed(self, request: Any) -> bool:
        if request.code == Code.FETCH:
            return True
        path = Path.parse("/".join(request.opt.uri_path))
        return path not in self.refused and bool(self.below(path)) and not self.silent

    def _key(self, request: Any) -> str:
        if request.code == Code.FETCH:
            return ",".join(map(str, decode_paths(request.payload, request.opt.content_format)))
        return "/" + "/".join(request.opt.uri_path)
