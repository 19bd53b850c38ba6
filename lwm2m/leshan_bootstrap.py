"""Leshan's REST API of a bootstrap server: configurations, credentials, and what happens in a session."""

import time

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from lwm2m.bootstrap import BootstrapServer
from lwm2m.bootstrap_session import SessionEvent, SessionState
from lwm2m.errors import Lwm2mError
from lwm2m.leshan_config import config_json, parse_config
from lwm2m.leshan_http import METHODS, Servlet, parse_json, read_body, text
from lwm2m.leshan_json import Json
from lwm2m.leshan_security import Security
from lwm2m.leshan_server import ServerInfo
from lwm2m.leshan_sse import FrameStream, accepts_events, frame
from lwm2m.security import SecurityStore

_NAMES = {
    SessionState.STARTED: "new session",
    SessionState.DELETED: "send delete",
    SessionState.WRITTEN: "send write",
    SessionState.FINISHED: "finished",
    SessionState.FAILED: "failed",
}


def leshan_bootstrap_app(
    server: BootstrapServer, *, security: SecurityStore | None = None, host: str = "127.0.0.1"
) -> Starlette:
    """The application; mount it at /api. `security` is the store that the bootstrap server asks."""
    streams: set[FrameStream] = set()

    def tell(event: SessionEvent) -> None:
        for stream in tuple(streams):
            stream.put((event.session.endpoint, frame("BSSESSION", session_json(event))))

    async def events(request: Request) -> Response:
        if not accepts_events(request):
            return text(405, "HTTP method GET is not supported by this URL")
        return FrameStream(streams, request.query_params.get("ep"))

    server.listen(tell)
    routes: list[BaseRoute] = [
        Route("/bootstrap{rest:path}", Configurations(server).handle, methods=METHODS),
        Route("/event{rest:path}", events, methods=["GET"]),
        Route("/server{rest:path}", ServerInfo(lambda: server.ports, host).handle, methods=METHODS),
    ]
    if security is not None:
        routes.append(Route("/security{rest:path}", Security(security).handle, methods=METHODS))
    return Starlette(routes=routes)


class Configurations(Servlet):
    """Everything under /bootstrap."""

    def __init__(self, server: BootstrapServer) -> None:
        super().__init__({"GET": self._get, "POST": self._post, "DELETE": self._delete})
        self._store = server.store

    async def _get(self, _: Request, parts: list[str]) -> Response:
        if parts:
            return text(404, "bad URL")
        return JSONResponse({endpoint: config_json(config) for endpoint, config in self._store.all().items()})

    async def _post(self, request: Request, parts: list[str]) -> Response:
        endpoint = _endpoint(parts)
        if endpoint is None:
            return _misplaced(parts)
        try:
            self._store.put(endpoint, parse_config(parse_json(await read_body(request))))
        except Lwm2mError as error:
            return text(400, str(error))
        return Response()

    async def _delete(self, _: Request, parts: list[str]) -> Response:
        endpoint = _endpoint(parts)
        if endpoint is None:
            return _misplaced(parts)
        if self._store.remove(endpoint):
            return Response(status_code=204)
        return text(404, f"no config for {endpoint}")


def session_json(event: SessionEvent) -> Json:
    """The data of a BSSESSION event."""
    return {
        "name": _NAMES[event.state],
        "endpoint": event.session.endpoint,
        "time": int(time.time() * 1000),
        "message": _message(event),
    }


def _message(event: SessionEvent) -> str:
    match event.state:
        case SessionState.STARTED:
            return f"Bootstrap Request from {event.session.address}"
        case SessionState.DELETED:
            return f"Send DELETE request on {event.path}"
        case SessionState.WRITTEN:
            return f"Send WRITE request on {event.path} using {event.session.content_format}"
        case SessionState.FINISHED:
            return "Bootstrap session finished with success"
        case SessionState.FAILED:
            return f"Bootstrap session failed : {event.reason}"


def _endpoint(parts: list[str]) -> str | None:
    named = [part for part in parts if part]
    return named[0] if len(named) == 1 else None


def _misplaced(parts: list[str]) -> Response:
    more = ", nothing more" if any(parts) else ""
    return text(400, f"endpoint name should be specified in the URL{more}")
