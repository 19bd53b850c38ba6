"""Leshan's REST API over our server: tools written for Leshan work unchanged (paths, shapes, texts and codes)."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lwm2m.leshan_clients import Clients
from lwm2m.leshan_delayed import DelayedRequests
from lwm2m.leshan_events import EventStreams
from lwm2m.leshan_http import METHODS, text
from lwm2m.leshan_security import Security
from lwm2m.leshan_server import ObjectSpecs, ServerInfo
from lwm2m.leshan_sse import accepts_events
from lwm2m.objects import STANDARD, ObjectRegistry
from lwm2m.security import SecurityStore
from lwm2m.server import Lwm2mServer


def leshan_app(
    server: Lwm2mServer,
    *,
    security: SecurityStore | None = None,
    models: ObjectRegistry = STANDARD,
    host: str = "127.0.0.1",
) -> Starlette:
    """The application; mount it at /api.

    `security` is the store that the server asks; without one /security does not exist. `models` are those of the
    server, and `host` is where devices reach it.
    """
    streams = EventStreams(server)

    async def events(request: Request) -> Response:
        if not accepts_events(request):
            return text(405, "HTTP method GET is not supported by this URL")
        return streams.open(request)

    clients = Clients(server, DelayedRequests(server, streams.answered))
    routes: list[BaseRoute] = [
        Route("/clients{rest:path}", clients.handle, methods=METHODS),
        Route("/event{rest:path}", events, methods=["GET"]),
        Route("/server{rest:path}", ServerInfo(lambda: server.ports, host).handle, methods=METHODS),
        Route("/objectspecs{rest:path}", ObjectSpecs(server, models).handle, methods=METHODS),
    ]
    if security is not None:
        routes.append(Route("/security{rest:path}", Security(security).handle, methods=METHODS))
    return Starlette(routes=routes)
