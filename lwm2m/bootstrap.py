"""The bootstrap server: gives devices their accounts before they register anywhere (Core 1.1.1, section 6.1)."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Self

from lwm2m.bootstrap_session import Session, SessionEvent, SessionListener, SessionState, carry_out
from lwm2m.bootstrap_store import BootstrapConfig, BootstrapStore
from lwm2m.coap import Listener, open_listeners
from lwm2m.codecs import ContentFormat, encode_nodes
from lwm2m.errors import BadRequest
from lwm2m.messages import CoapEndpoint, Code, Method, Reply, Request
from lwm2m.peers import UDP
from lwm2m.registration import parse_bootstrap_request
from lwm2m.security import RegistrationForbidden, SecurityStore, check_registration

DEFAULT_PORT = 5783
MAX_SESSIONS = 1000  # that run at one time
SESSION_TIMEOUT = 120.0  # seconds for all requests of a session
PACK_FORMATS = (ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON, ContentFormat.LWM2M_CBOR)
_log = logging.getLogger(__name__)


class BootstrapServer:
    """Answers Bootstrap-Requests on a UDP port, and on the `listeners` beside it; writes each device's configuration.

    Use it as an async context manager, or call `start` and `stop`. With `security`, an endpoint that has a key gets
    its configuration with that key only.
    """

    def __init__(
        self,
        store: BootstrapStore,
        *,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        security: SecurityStore | None = None,
        listeners: Iterable[Listener] = (),
        oscore_folder: Path | None = None,
        max_sessions: int = MAX_SESSIONS,
        session_timeout: float = SESSION_TIMEOUT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._port = port
        self._coap_listeners = (Listener(UDP, host, port), *listeners)
        self._oscore_folder = oscore_folder
        self._security = security
        self._max_sessions = max_sessions
        self._timeout = session_timeout
        self._clock = clock
        self._coap: CoapEndpoint | None = None
        self._sessions: dict[str, asyncio.Task[None]] = {}
        self._listeners: list[SessionListener] = []

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Bind the ports and serve.

        Raises:
            OSError: a port is taken, or the host is not ours.
            ValueError: two listeners have the same scheme, or `coaps` has no `security`.
        """
        self._coap = await open_listeners(
            self._coap_listeners, self._answer, security=self._security, oscore_folder=self._oscore_folder
        )

    async def stop(self) -> None:
        """End the sessions and free the ports; devices ask again."""
        sessions = list(self._sessions.values())
        for session in sessions:
            session.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)
        if self._coap is not None:
            await self._coap.close()
            self._coap = None

    @property
    def port(self) -> int:
        """The UDP port in use."""
        return self._port if self._coap is None else self._coap.port

    @property
    def ports(self) -> Mapping[str, int]:
        """The port in use for each scheme: coap, coaps, coap+tcp; none before the start."""
        return {} if self._coap is None else self._coap.ports

    @property
    def store(self) -> BootstrapStore:
        """The configurations."""
        return self._store

    def listen(self, listener: SessionListener) -> Callable[[], None]:
        """Call `listener` with each event of a session from now on; the result stops that. It must not raise."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def _answer(self, peer: str, request: Request) -> Reply:
        try:
            match request.path, request.method:
                case ("bs",), Method.POST:
                    return self._begin(peer, request)
                case ("bspack",), Method.GET:
                    return self._pack(request)
                case (("bs" | "bspack"),), _:
                    return _refuse(Code.METHOD_NOT_ALLOWED, "ask with POST /bs, or with GET /bspack")
                case _:
                    return _refuse(Code.NOT_FOUND, "this is an LwM2M bootstrap server: ask with POST /bs")
        except BadRequest as error:
            return _refuse(Code.BAD_REQUEST, str(error))
        except RegistrationForbidden as error:
            return _refuse(Code.FORBIDDEN, str(error))
        except Exception:  # noqa: BLE001 - the edge of the process: a device gets an answer whatever broke
            _log.exception("bootstrap request failed: peer=%s", peer)
            return _refuse(Code.INTERNAL_SERVER_ERROR, "the server failed, not the device: see the server's log")

    def _begin(self, peer: str, request: Request) -> Reply:
        endpoint, preferred = parse_bootstrap_request(self._named(request))
        config = self._config(endpoint, request)
        running = self._sessions.pop(endpoint, None)
        if running is not None:
            running.cancel()
        elif len(self._sessions) >= self._max_sessions:
            return _refuse(Code.SERVICE_UNAVAILABLE, "too many devices bootstrap at this moment: try again later")
        session = Session(secrets.token_hex(8), endpoint, peer, preferred, self._clock())
        # The task's first request leaves after this answer: the handler gives way to no task before.
        task = asyncio.create_task(self._run(session, config), name="LwM2M bootstrap")
        self._sessions[endpoint] = task
        task.add_done_callback(lambda done: self._ended(endpoint, done))
        self._publish(SessionEvent(session, SessionState.STARTED))
        return Reply(Code.CHANGED)

    def _pack(self, request: Request) -> Reply:
        endpoint, _ = parse_bootstrap_request(self._named(request))
        config = self._config(endpoint, request)
        number = request.accept if request.accept is not None else ContentFormat.SENML_CBOR
        if number not in PACK_FORMATS:
            return _refuse(Code.NOT_ACCEPTABLE, "a Bootstrap-Pack comes in content format 112, 110 or 11544")
        return Reply(Code.CONTENT, payload=encode_nodes(config.writes, number), content_format=number)

    def _config(self, endpoint: str, request: Request) -> BootstrapConfig:
        if self._security is not None:
            check_registration(self._security, endpoint, request)
        config = self._store.find(endpoint)
        if config is None:
            raise BadRequest("there is no configuration for this endpoint: give it one at the bootstrap server")
        return config

    def _named(self, request: Request) -> tuple[str, ...]:
        if self._security is None or request.identity is None or any(each.startswith("ep=") for each in request.query):
            return request.query
        endpoint = self._security.endpoint_of(request.identity)
        return request.query if endpoint is None else (f"ep={endpoint}", *request.query)

    async def _run(self, session: Session, config: BootstrapConfig) -> None:
        coap = self._coap
        if coap is None:
            return
        await carry_out(coap, session, config, self._timeout, self._publish)

    def _ended(self, endpoint: str, task: asyncio.Task[None]) -> None:
        if self._sessions.get(endpoint) is task:
            del self._sessions[endpoint]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("bootstrap session failed: endpoint=%r", endpoint, exc_info=error)

    def _publish(self, event: SessionEvent) -> None:
        for listener in tuple(self._listeners):
            listener(event)


def _refuse(code: Code, diagnostic: str) -> Reply:
    return Reply(code, payload=diagnostic.encode())


if __name__ == "__main__":
    from lwm2m.standalone import bootstrap_main

    bootstrap_main()
