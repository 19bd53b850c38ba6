"""Leshan's /clients: registrations, and every operation on devices, single and composite."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lwm2m.answers import Response as DeviceResponse
from lwm2m.codecs import ContentFormat
from lwm2m.errors import BadRequest, CodecError, PathError
from lwm2m.leshan_delayed import DelayedRequests
from lwm2m.leshan_events import current_json
from lwm2m.leshan_http import Servlet, content_type, format_of, invalid_path, read_body, read_json, text, timeout_of
from lwm2m.leshan_json import parse_new_instance, parse_node, response_json
from lwm2m.nodes import Node, Resource
from lwm2m.paths import Path
from lwm2m.server import Lwm2mServer
from lwm2m.values import ResourceType

MAX_ATTRIBUTES = 32
Asking = Callable[[], Awaitable[DeviceResponse | None]]


class Clients(Servlet):
    """Everything under /clients."""

    def __init__(self, server: Lwm2mServer, delayed: DelayedRequests) -> None:
        super().__init__({"GET": self._get, "PUT": self._put, "POST": self._post, "DELETE": self._delete})
        self._server = server
        self._delayed = delayed

    async def _get(self, request: Request, parts: list[str]) -> Response:
        server, timeout = self._server, timeout_of(request)
        match parts:
            case []:
                return JSONResponse([current_json(each, server) for each in server.registrations()])
            case [endpoint] | [endpoint, ""] if endpoint:
                return JSONResponse(current_json(server.registration(endpoint), server))
            case [endpoint, "composite"]:
                paths = _paths(request)
                read = partial(server.read_composite, endpoint, paths, **_formats(request), timeout=timeout, wait=False)
                return await self._answer(endpoint, None, read)
            case [endpoint, *path, "discover"]:
                target = _path(path)
                ask = partial(server.discover, endpoint, target, timeout=timeout, wait=False)
                return await self._answer(endpoint, target, ask, links=True)
            case [endpoint, *path]:
                target = _path(path)
                ask = partial(server.read, endpoint, target, format_of(request), timeout, wait=False)
                return await self._answer(endpoint, target, ask)
            case _:
                return invalid_path()

    async def _put(self, request: Request, parts: list[str]) -> Response:
        match parts:
            case [endpoint, "composite"]:
                self._server.registration(endpoint)
                nodes = _composite(await read_json(request))
                number = format_of(request, "nodeformat") or ContentFormat.SENML_CBOR
                write = self._server.write_composite
                ask = partial(write, endpoint, nodes, content_format=number, timeout=timeout_of(request), wait=False)
                return await self._answer(endpoint, None, ask)
            case [endpoint, *path, "attributes"]:
                return await self._write_attributes(request, endpoint, _path(path))
            case [endpoint, first, second, *others]:
                target = _path([first, second, *others])
                self._server.registration(endpoint)
                ask = partial(
                    self._server.write,
                    endpoint,
                    target,
                    await _read_node(request, target),
                    format_of(request),
                    replace=request.query_params.get("replace", "true").lower() == "true",
                    timeout=timeout_of(request),
                    wait=False,
                )
                return await self._answer(endpoint, target, ask)
            case _:
                return invalid_path()

    async def _write_attributes(self, request: Request, endpoint: str, path: Path) -> Response:
        self._server.registration(endpoint)
        try:
            pairs = parse_qsl(request.url.query, keep_blank_values=True, max_num_fields=MAX_ATTRIBUTES)
        except ValueError:
            pairs = []
        if not pairs or not all(name.isascii() and name.isalpha() for name, _ in pairs):
            return text(400, "Invalid attributes: the query string is the list of attributes, such as pmin=5&pmax=60")
        attributes = {name: value or None for name, value in pairs}
        ask = partial(self._server.write_attributes, endpoint, path, attributes, timeout_of(request), wait=False)
        return await self._answer(endpoint, path, ask)

    async def _post(self, request: Request, parts: list[str]) -> Response:
        server, timeout = self._server, timeout_of(request)
        match parts:
            case [endpoint, "composite", "observe"]:
                paths = _paths(request)
                ask = partial(
                    server.observe_composite, endpoint, paths, **_formats(request), timeout=timeout, wait=False
                )
                return await self._answer(endpoint, None, ask)
            case [endpoint, *path, "observe"]:
                target = _path(path)
                ask = partial(server.observe, endpoint, target, format_of(request), timeout, wait=False)
                return await self._answer(endpoint, target, ask)
            case [endpoint, object_id, instance_id, resource_id]:
                target = _path([object_id, instance_id, resource_id])
                server.registration(endpoint)
                arguments = (await read_body(request)).decode(errors="replace")
                ask = partial(server.execute, endpoint, target, arguments, timeout, wait=False)
                return await self._answer(endpoint, target, ask)
            case [endpoint, *path] if 1 <= len(path) <= 2:
                return await self._create(request, endpoint, _path(path))
            case _:
                return invalid_path()

    async def _create(self, request: Request, endpoint: str, target: Path) -> Response:
        self._server.registration(endpoint)
        number, resources = parse_new_instance(target.ids[0], await read_json(request))
        ask = partial(
            self._server.create,
            endpoint,
            target.ids[0],
            resources,
            instance_id=target.instance_id if number is None else number,
            content_format=format_of(request) or ContentFormat.TLV,
            timeout=timeout_of(request),
            wait=False,
        )
        return await self._answer(endpoint, target, ask)

    async def _delete(self, request: Request, parts: list[str]) -> Response:
        server, timeout = self._server, timeout_of(request)
        active = "active" in request.query_params
        match parts:
            case [endpoint, "composite", "observe"]:
                paths = _paths(request)
                end = partial(
                    server.cancel_observe_composite, endpoint, paths, active=active, timeout=timeout, wait=False
                )
                names = ", ".join(map(str, paths))
                missing = f"no composite observation for paths [{names}] for  client '{endpoint}'"
                return await self._end(endpoint, None, end, missing, active=active)
            case [endpoint, *path, "observe"]:
                target = _path(path)
                end = partial(server.cancel_observe, endpoint, target, active=active, timeout=timeout, wait=False)
                missing = f"no observation for path {target} for  client '{endpoint}'"
                return await self._end(endpoint, target, end, missing, active=active)
            case [endpoint, *path] if path:
                target = _path(path)
                return await self._answer(
                    endpoint, target, partial(server.delete, endpoint, target, timeout, wait=False)
                )
            case _:
                return invalid_path()

    async def _end(self, endpoint: str, path: Path | None, ask: Asking, missing: str, *, active: bool) -> Response:
        """A passive cancel succeeds whether or not anything was observed; an active one asks the device."""
        if not active:
            await ask()
            return Response()
        try:
            return await self._answer(endpoint, path, ask)
        except LookupError:
            return text(404, missing)

    async def _answer(self, endpoint: str, path: Path | None, ask: Asking, *, links: bool = False) -> Response:
        async def operation() -> dict[str, object]:
            response = await ask()
            if response is None:
                raise LookupError(endpoint)
            return response_json(response, links=links)

        return JSONResponse(await self._delayed.run(endpoint, path, operation))


def _path(parts: list[str]) -> Path:
    path = Path.parse("/".join(parts))
    if not path.ids:
        raise PathError("the root is not addressed one by one")
    return path


def _paths(request: Request) -> tuple[Path, ...]:
    """Comma-separated; each may lack its slash, and the root is one slash."""
    names = request.query_params.get("paths", "").split(",")
    if not all(names):
        raise BadRequest("paths are missing: write paths=/3/0/0,/1")
    return tuple(Path.parse(name) for name in names)


def _formats(request: Request) -> dict[str, int]:
    """Leshan's defaults of both formats are SenML CBOR."""
    return {
        "accept": format_of(request, "nodeformat") or ContentFormat.SENML_CBOR,
        "paths_format": format_of(request, "pathformat") or ContentFormat.SENML_CBOR,
    }


def _composite(data: object) -> Mapping[Path, Node]:
    if not isinstance(data, dict) or not data:
        raise CodecError("a composite write is a JSON object with a node for each path")
    nodes: dict[Path, Node] = {}
    for name, node in data.items():
        path = Path.parse(name)
        nodes[path] = parse_node(path, node)
    return nodes


async def _read_node(request: Request, path: Path) -> Node:
    if content_type(request) == "text/plain":
        value = (await read_body(request)).decode(errors="replace")
        return Resource(path.ids[-1], ResourceType.STRING, value)
    return parse_node(path, await read_json(request))
