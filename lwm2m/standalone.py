"""Runs the servers with their Leshan-compatible REST API and without the rest.

`python -m lwm2m.server` is the LwM2M server, `python -m lwm2m.bootstrap` the bootstrap server. As with Leshan's demo
servers, whoever reaches the REST API may do everything, and read keys: by default only this machine does.
"""

import argparse
import ipaddress
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from lwm2m import bootstrap
from lwm2m.bootstrap import BootstrapServer
from lwm2m.bootstrap_store import MemoryBootstrapStore
from lwm2m.coap import Listener
from lwm2m.leshan import leshan_app
from lwm2m.leshan_bootstrap import leshan_bootstrap_app
from lwm2m.peers import DTLS, TCP
from lwm2m.security import MemorySecurityStore, SecurityStore
from lwm2m.server import DEFAULT_PORT, Lwm2mServer

_log = logging.getLogger(__name__)


def standalone_app(server: Lwm2mServer, *, security: SecurityStore | None = None, host: str = "127.0.0.1") -> Starlette:
    """The REST API at /api; the server runs as long as the application does. `security` is the server's own store."""
    return _application(leshan_app(server, security=security, host=host), server)


def bootstrap_app(
    server: BootstrapServer, *, security: SecurityStore | None = None, host: str = "127.0.0.1"
) -> Starlette:
    """The same for a bootstrap server."""
    return _application(leshan_bootstrap_app(server, security=security, host=host), server)


def _application(api: Starlette, server: Lwm2mServer | BootstrapServer) -> Starlette:
    running: AbstractAsyncContextManager[object] = server

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with running:
            for scheme, port in server.ports.items():
                _log.info("%s port %d", scheme.replace("coap", "CoAP"), port)
            yield

    return Starlette(routes=[Mount("/api", api)], lifespan=lifespan)


def main() -> None:
    """Parse the command line and serve devices until interrupted."""
    arguments = _arguments("python -m lwm2m.server", "The LwM2M server.", 8080, DEFAULT_PORT)
    security = MemorySecurityStore()
    host, port = arguments.coap
    listeners = _listeners(arguments)
    server = Lwm2mServer(
        host=host, port=port, listeners=listeners, security=security, oscore_folder=arguments.oscore_folder
    )
    _serve(standalone_app(server, security=security, host=host), arguments.http)


def bootstrap_main() -> None:
    """Parse the command line and bootstrap devices until interrupted."""
    arguments = _arguments("python -m lwm2m.bootstrap", "The LwM2M bootstrap server.", 8081, bootstrap.DEFAULT_PORT)
    security = MemorySecurityStore()
    host, port = arguments.coap
    server = BootstrapServer(
        MemoryBootstrapStore(),
        host=host,
        port=port,
        listeners=_listeners(arguments),
        security=security,
        oscore_folder=arguments.oscore_folder,
    )
    _serve(bootstrap_app(server, security=security, host=host), arguments.http)


def _arguments(program: str, description: str, http: int, coap: int) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--http", type=_address, default=("127.0.0.1", http), metavar="HOST:PORT", help="the REST API")
    parser.add_argument("--coap", type=_address, default=("127.0.0.1", coap), metavar="HOST:PORT", help="UDP")
    parser.add_argument("--coaps", type=_address, metavar="HOST:PORT", help="DTLS with pre-shared keys")
    parser.add_argument("--coap-tcp", type=_address, metavar="HOST:PORT", help="TCP")
    parser.add_argument("--oscore-folder", type=Path, metavar="DIR", help="where OSCORE keeps its sequence numbers")
    return parser.parse_args()


def _listeners(arguments: argparse.Namespace) -> list[Listener]:
    wanted = ((DTLS, arguments.coaps), (TCP, arguments.coap_tcp))
    return [Listener(scheme, *address) for scheme, address in wanted if address is not None]


def _serve(application: Starlette, address: tuple[str, int]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    host, port = address
    if not _is_loopback(host):
        _log.warning("the REST API at %s asks nobody for a password, and /api/security shows keys", host)
    # An open event stream must not keep the process alive.
    uvicorn.run(application, host=host, port=port, timeout_graceful_shutdown=2, log_config=None)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT")
    return host.strip("[]"), int(port)
