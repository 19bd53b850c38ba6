"""What every part of the Leshan-compatible API does with HTTP: bounded bodies, parameters, and Leshan's error texts."""

import json
import logging
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from lwm2m.codecs import ContentFormat
from lwm2m.errors import BadRequest, CodecError, DeviceTimeout, Lwm2mError, NotRegistered, PathError

DEFAULT_TIMEOUT = 5.0  # seconds
MAX_TIMEOUT = 3600.0
MAX_BODY = 64 << 20  # bytes: a firmware of 32 MiB in hexadecimal
METHODS = ["GET", "PUT", "POST", "DELETE", "PATCH"]
_FORMATS: dict[str, int] = {member.name: member for member in ContentFormat}
_log = logging.getLogger(__name__)

Handler = Callable[[Request, list[str]], Awaitable[Response]]


class Servlet:
    """Routes by method and path parts, and words errors as Leshan does."""

    def __init__(self, handlers: dict[str, Handler]) -> None:
        self._handlers = handlers

    async def handle(self, request: Request) -> Response:
        """Answer; the route has a path parameter `rest`."""
        handler = self._handlers.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            return text(501, "Method not implemented")
        rest: str = request.path_params["rest"]
        if rest and not rest.startswith("/"):
            return text(404, "Not Found")
        try:
            return await handler(request, rest.split("/")[1:])
        except NotRegistered as error:
            return text(400, f"No registered client with id '{error.endpoint}'")
        except PathError:
            return invalid_path()
        except DeviceTimeout:
            return text(504, "Request timeout")
        except (CodecError, BadRequest) as error:
            return text(400, f"Invalid request: {error}")
        except Lwm2mError as error:
            _log.warning("operation failed: path=%s error=%s", request.url.path, error)
            return text(500, f"Unexpected exception: {error}")


def text(status: int, body: str) -> Response:
    """Plain text, as Leshan answers errors."""
    return PlainTextResponse(body, status)


def invalid_path() -> Response:
    """The answer to a path that is none."""
    return text(400, "Invalid path")


def timeout_of(request: Request) -> float:
    """Whole seconds; anything else is the default."""
    value = request.query_params.get("timeout", "")
    if not value.isascii() or not value.isdigit() or len(value) > 9 or int(value) == 0:
        return DEFAULT_TIMEOUT
    return min(float(value), MAX_TIMEOUT)


def format_of(request: Request, name: str = "format") -> int | None:
    """A content format by its name; Leshan ignores one that it does not know."""
    return _FORMATS.get(request.query_params.get(name, "").upper())


def content_type(request: Request) -> str:
    """The media type alone; `null` as Leshan prints a missing one."""
    return request.headers.get("content-type", "null").partition(";")[0].strip().lower()


async def read_json(request: Request) -> object:
    """The body as JSON.

    Raises:
        BadRequest: it is none, or is not announced as such.
    """
    if content_type(request) != "application/json":
        raise BadRequest(f"content type {content_type(request)} not supported")
    return parse_json(await read_body(request))


def parse_json(body: bytes) -> object:
    """The body as JSON, whatever its type was said to be.

    Raises:
        BadRequest: it is none.
    """
    try:
        data: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is no JSON") from error
    return data


async def read_body(request: Request) -> bytes:
    """The whole body.

    Raises:
        BadRequest: it is larger than `MAX_BODY`.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise BadRequest(f"the body is larger than {MAX_BODY} bytes")
    return bytes(body)
