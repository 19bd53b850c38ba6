"""Runs the LwM2M server and the Leshan-compatible REST API without the rest: `python -m lwm2m.server`."""

import argparse
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from lwm2m.leshan import leshan_app
from lwm2m.server import DEFAULT_PORT, Lwm2mServer

_log = logging.getLogger(__name__)


def standalone_app(server: Lwm2mServer) -> Starlette:
    """The REST API at /api; the server runs as long as the application does."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with server:
            _log.info("CoAP port %d", server.port)
            yield

    return Starlette(routes=[Mount("/api", leshan_app(server))], lifespan=lifespan)


def main() -> None:
    """Parse the command line and serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m lwm2m.server", description=__doc__)
    parser.add_argument("--http", type=_address, default=("127.0.0.1", 8080), metavar="HOST:PORT")
    parser.add_argument("--coap", type=_address, default=("127.0.0.1", DEFAULT_PORT), metavar="HOST:PORT")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    server = Lwm2mServer(host=arguments.coap[0], port=arguments.coap[1])
    host, port = arguments.http
    # An open event stream must not keep the process alive.
    uvicorn.run(standalone_app(server), host=host, port=port, timeout_graceful_shutdown=2, log_config=None)


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT")
    return host.strip("[]"), int(port)
