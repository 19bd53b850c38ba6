"""Leshan's REST API over our server: tools written for Leshan work unchanged (paths, shapes, texts and codes)."""

import json
import logging
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from lwm2m.codecs import ContentFormat
from lwm2m.errors import BadRequest, CodecError, DeviceTimeout, Lwm2mError, NotRegistered, PathError
from lwm2m.leshan_events import event_stream
from lwm2m.leshan_json import FORMATS, parse_new_instance, parse_node, registration_json, response_json
from lwm2m.nodes import Node, Resource
from lwm2m.paths import Path
from lwm2m.server import Lwm2mServer
from lwm2m.values import ResourceType

DEFAULT_TIMEOUT = 5.0  # seconds
MAX_BODY = 64 << 20  # bytes: a firmware of 32 MiB in hexadecimal
MAX_TIMEOUT = 3600.0
_METHODS = ["GET", "PUT", "POST", "DELETE", "PATCH"]
_log = logging.getLogger(__name__)


def leshan_app(server: Lwm2mServer) -> Starlette:
    """The application; mount it at /api."""
    clients = _Clients(server)

    async def events(request: Request) -> Response:
        return event_stream(server.events, request)

    return Starlette(
        routes=[
            Route("/clients{rest:path}", clients.handle, methods=_METHODS),
            Route("/event{rest:path}", events, methods=["GET"]),
        ]
    )


class _Clients:
    """Everything under /clients."""

    def __init__(self, server: Lwm2mServer) -> None:
        self._server = server

    async def handle(self, request: Request) -> Response:
        """Route by method and path, and word errors as Leshan does."""
        handlers: dict[str, Callable[[Request, list[str]], Awaitable[Response]]] = {
            "GET": self._get,
            "PUT": self._put,
            "POST": self._post,
            "DELETE": self._delete,
        }
        handler = handlers.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            return _text(501, "Method not implemented")
        rest: str = request.path_params["rest"]
        parts = rest.split("/")[1:]
        if (rest and not rest.startswith("/")) or not all(parts):
            return _text(400, "Invalid path")
        try:
            return await handler(request, parts)
        except NotRegistered as error:
            return _text(400, f"No registered client with id '{error.endpoint}'")
        except PathError:
            return _text(400, "Invalid path")
        except DeviceTimeout:
            return _text(504, "Request timeout")
        except (CodecError, BadRequest) as error:
            return _text(400, f"Invalid request: {error}")
        except Lwm2mError as error:
            _log.warning("operation failed: path=%s error=%s", request.url.path, error)
            return _text(500, f"Unexpected exception: {error}")

    async def _get(self, request: Request, parts: list[str]) -> Response:
        match parts:
            case []:
                return JSONResponse([registration_json(each) for each in self._server.registrations()])
            case [endpoint]:
                return JSONResponse(registration_json(self._server.registration(endpoint)))
            case [endpoint, *path, "discover"]:
                response = await self._server.discover(endpoint, _path(path), timeout=_timeout(request))
                return JSONResponse(response_json(response, links=True))
            case [endpoint, *path]:
                accept = _format(request)
                response = await self._server.read(endpoint, _path(path), accept, _timeout(request))
                return JSONResponse(response_json(response))
            case _:
                return _text(400, "Invalid path")

    async def _put(self, request: Request, parts: list[str]) -> Response:
        match parts:
            case [endpoint, *path, "attributes"]:
                return await self._write_attributes(request, endpoint, _path(path))
            case [endpoint, first, second, *others]:
                target = _path([first, second, *others])
                self._server.registration(endpoint)
                response = await self._server.write(
                    endpoint,
                    target,
                    await _read_node(request, target),
                    _format(request),
                    replace=request.query_params.get("replace", "true").lower() != "false",
                    timeout=_timeout(request),
                )
                return JSONResponse(response_json(response))
            case _:
                return _text(400, "Invalid path")

    async def _write_attributes(self, request: Request, endpoint: str, path: Path) -> Response:
        self._server.registration(endpoint)
        pairs = parse_qsl(request.url.query, keep_blank_values=True, max_num_fields=32)
        if not pairs or not all(name.isascii() and name.isalpha() for name, _ in pairs):
            return _text(400, "Invalid attributes: the query string is the list of attributes, such as pmin=5&pmax=60")
        response = await self._server.write_attributes(endpoint, path, {name: value or None for name, value in pairs})
        return JSONResponse(response_json(response))

    async def _post(self, request: Request, parts: list[str]) -> Response:
        timeout = _timeout(request)
        match parts:
            case [endpoint, *path, "observe"]:
                response = await self._server.observe(endpoint, _path(path), _format(request), timeout)
            case [endpoint, object_id, instance_id, resource_id]:
                path_ = _path([object_id, instance_id, resource_id])
                self._server.registration(endpoint)
                arguments = (await _body(request)).decode(errors="replace")
                response = await self._server.execute(endpoint, path_, arguments, timeout)
            case [endpoint, *path] if 1 <= len(path) <= 2:
                target = _path(path)
                self._server.registration(endpoint)
                number, resources = parse_new_instance(target.ids[0], await _read_json(request))
                response = await self._server.create(
                    endpoint,
                    target.ids[0],
                    resources,
                    instance_id=target.instance_id if number is None else number,
                    content_format=_format(request) or ContentFormat.TLV,
                    timeout=timeout,
                )
            case _:
                return _text(400, "Invalid path")
        return JSONResponse(response_json(response))

    async def _delete(self, request: Request, parts: list[str]) -> Response:
        match parts:
            case [endpoint, *path, "observe"]:
                target = _path(path)
                active = "active" in request.query_params
                response = await self._server.cancel_observe(endpoint, target, active=active, timeout=_timeout(request))
                if response is None:
                    return _text(404, f"no observation on {target} of client {endpoint}")
                return JSONResponse(response_json(response)) if active else Response()
            case [endpoint, *path] if path:
                response = await self._server.delete(endpoint, _path(path), _timeout(request))
                return JSONResponse(response_json(response))
            case _:
                return _text(400, "Invalid path")


def _path(parts: list[str]) -> Path:
    path = Path.parse("/".join(parts))
    if not path.ids:
        raise PathError("the root is not addressed one by one")
    return path


def _timeout(request: Request) -> float:
    """Whole seconds; anything else is the default."""
    text = request.query_params.get("timeout", "")
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) == 0:
        return DEFAULT_TIMEOUT
    return min(float(text), MAX_TIMEOUT)


def _format(request: Request) -> int | None:
    """Leshan ignores a format that it does not know."""
    return FORMATS.get(request.query_params.get("format", "").upper())


async def _read_node(request: Request, path: Path) -> Node:
    kind = _content_type(request)
    if kind == "text/plain":
        text = (await _body(request)).decode(errors="replace")
        return Resource(path.ids[-1], ResourceType.STRING, text)
    return parse_node(path, await _read_json(request))


async def _read_json(request: Request) -> object:
    if _content_type(request) != "application/json":
        raise BadRequest(f"content type {_content_type(request)} not supported")
    try:
        data: object = json.loads(await _body(request))
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is no JSON") from error
    return data


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "null").partition(";")[0].strip().lower()


async def _body(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY:
            raise BadRequest(f"the body is larger than {MAX_BODY} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _text(status: int, text: str) -> Response:
    return PlainTextResponse(text, status)
