"""What surrounds every request: an id in log and answer, and a bound on the body."""

import contextlib
import re
import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import problem

_log = structlog.get_logger("app.access")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestId:
    """Gives each request an id (or keeps the caller's), binds it to the log and answers it as X-Request-Id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        begun = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            milliseconds = round((time.perf_counter() - begun) * 1000, 1)
            _log.info("request", method=scope["method"], path=scope["path"], status=status, ms=milliseconds)


class _BodyTooLargeError(Exception):
    """Raised into the reader of a body that passed the limit."""


class BodyLimit:
    """Refuses bodies over a limit, by Content-Length at once and by counting when it is missing or lies."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = problem(
            413, "body_too_large", f"The body is larger than {self._limit} bytes.", "Send less.", field="body"
        )
        length = Headers(scope=scope).get("content-length", "")
        if length.isdigit() and int(length) > self._limit:
            await refusal(scope, receive, send)
            return
        received, answered = 0, False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise _BodyTooLargeError
            return message

        async def watched(message: Message) -> None:
            nonlocal answered
            if received > self._limit and not answered:
                return  # a parser took the error for a fault of the body, and this is what it says of it
            answered = True
            await send(message)

        with contextlib.suppress(_BodyTooLargeError):
            await self._app(scope, counted, watched)
        if received > self._limit and not answered:
            await refusal(scope, receive, send)
