"""The message layer of the server on aiocoap: requests both ways over UDP, DTLS, TCP and OSCORE at once."""

# ruff: noqa: ASYNC109 - a deadline is part of a CoAP exchange: retransmissions are planned by it

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiocoap
import aiocoap.error
import aiocoap.resource
from aiocoap.transports.oscore import OSCOREAddress

from lwm2m.errors import BadRequest, DeviceTimeout, DeviceUnreachable
from lwm2m.messages import Handler, Reply, Request
from lwm2m.peers import DTLS, TCP, UDP, parse_peer
from lwm2m.security import SecurityStore
from lwm2m.transports.assembly import Assembly
from lwm2m.transports.coaps import CoapsTransport, SessionAddress
from lwm2m.transports.limits import DtlsLimits
from lwm2m.transports.options import check_options
from lwm2m.transports.oscore import OscoreContexts, ProtectedSite
from lwm2m.transports.tap import Tap, Trace
from lwm2m.transports.tcp import TcpTransport
from lwm2m.transports.transport import Transports
from lwm2m.transports.udp import UdpTransport
from lwm2m.transports.wire import answer_of, answered, message_of, reply_of, request_of
from lwm2m.watch import LiveWatch, Rests, Way


@dataclass(frozen=True, slots=True)
class Listener:
    """A port to open: `coap` (UDP), `coaps` (DTLS) or `coap+tcp`; port 0 takes a free one."""

    scheme: str
    host: str
    port: int


async def open_endpoint(
    host: str, port: int, handler: Handler, *, streamed: frozenset[str] = frozenset()
) -> "Endpoint":
    """Bind one UDP port and answer requests with `handler`; see `open_listeners`."""
    return await open_listeners((Listener(UDP, host, port),), handler, streamed=streamed)


async def open_listeners(
    listeners: Iterable[Listener],
    handler: Handler,
    *,
    streamed: frozenset[str] = frozenset(),
    security: SecurityStore | None = None,
    oscore_folder: Path | None = None,
    dtls_limits: DtlsLimits | None = None,
) -> "Endpoint":
    """Bind ports, at most one of each scheme, and answer requests with `handler`.

    `streamed` are first path segments whose requests are handed over block by block. DTLS needs the keys in `security`.
    OSCORE works on every port when there is also a folder for its sequence numbers.

    Raises:
        OSError: an address cannot be bound.
        ValueError: a scheme is unknown or there twice, or `coaps` has no keys.
    """
    wanted = tuple(listeners)
    if len({listener.scheme for listener in wanted}) < len(wanted):
        raise ValueError("there is at most one port for each scheme")
    context = Transports()
    contexts = OscoreContexts(security, oscore_folder) if security is not None and oscore_folder is not None else None
    endpoint = Endpoint(context, contexts)
    site = _Site(endpoint, handler, streamed)
    context.serversite = site if contexts is None else ProtectedSite(site, contexts)
    try:
        for listener in wanted:
            await _listen(context, listener, security, dtls_limits)
    except BaseException:
        await endpoint.close()
        raise
    return endpoint


class Endpoint:
    """Implements `CoapEndpoint` on an aiocoap context."""

    def __init__(self, context: Transports, contexts: OscoreContexts | None) -> None:
        self._context = context
        self._contexts = contexts
        self._background: set[asyncio.Task[None]] = set()
        self._tap = Tap(context.by_scheme.values)

    @property
    def port(self) -> int:
        """The port in use: of the first listener."""
        return next(iter(self._context.by_scheme.values())).port

    @property
    def ports(self) -> Mapping[str, int]:
        """The port in use for each scheme."""
        return {scheme: transport.port for scheme, transport in self._context.by_scheme.items()}

    async def request(self, peer: str, request: Request, timeout: float) -> Reply:
        """Send and wait; see `CoapEndpoint.request`."""
        message = message_of(request, self._remote(peer), timeout)
        single = request.block1 is not None or request.block2 is not None
        pending = self._context.request(message, handle_blockwise=not single)
        return reply_of(await answered(peer, pending.response, timeout))

    async def observe(
        self, peer: str, request: Request, timeout: float, on_notification: Callable[[Reply], None]
    ) -> tuple[Reply, LiveWatch | None]:
        """Observe; see `CoapEndpoint.observe`."""
        watch = self._watch(peer, request, timeout, on_notification)
        watch.begin()
        try:
            first = await answered(peer, watch.first, timeout)
            reply = reply_of(await self._rest(peer, request, timeout, first))
        except BaseException:
            watch.forget()
            raise
        return reply, None if first.opt.observe is None else watch

    def resume(
        self, peer: str, request: Request, token: bytes, timeout: float, on_notification: Callable[[Reply], None]
    ) -> LiveWatch:
        """Hear an observation of an earlier process or address; see `CoapEndpoint.resume`."""
        watch = self._watch(peer, request, timeout, on_notification)
        watch.resume(token)
        return watch

    def trace(self, wants: Callable[[str], bool], listener: Trace) -> Callable[[], None]:
        """Hear every message of some peers; see `CoapEndpoint.trace`."""
        return self._tap.listen(wants, listener)

    async def close(self) -> None:
        """Free the ports."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        if self._context.request_interfaces:
            await self._context.shutdown()
        if self._contexts is not None:
            self._contexts.close()

    def peer(self, remote: Any) -> str:
        """Who a remote is, as a string; the inverse of `_remote`."""
        if not isinstance(remote, OSCOREAddress):
            return str(self._context.of(remote).peer(remote))
        address = remote.underlying_address
        below = self._context.of(address).peer(address)
        return str(replace(below, oscore=remote.security_context.recipient_id))

    def _remote(self, peer: str) -> Any:
        parts = parse_peer(peer)
        transport = self._context.by_scheme.get(parts.scheme)
        if transport is None:
            raise DeviceUnreachable(f"this server has no {parts.scheme} port: open one to reach {peer}")
        remote = transport.remote(parts)
        if parts.oscore is None:
            return remote
        if self._contexts is None:
            raise DeviceUnreachable(f"this server has no folder for OSCORE: give it one to reach {peer}")
        return OSCOREAddress(self._contexts.by_recipient_id(parts.oscore), remote)

    def _watch(
        self, peer: str, request: Request, timeout: float, on_notification: Callable[[Reply], None]
    ) -> LiveWatch:
        remote = self._remote(peer)
        secured = isinstance(remote, OSCOREAddress)
        address = remote.underlying_address if secured else remote
        way = Way(peer, address, self._context.of(address).tokens, remote.security_context if secured else None)

        async def fetch(first: Any) -> Any:
            # A notification whose rest cannot be fetched is lost, as any notification may be: observe is best-effort.
            with suppress(DeviceTimeout, DeviceUnreachable, BadRequest):
                return await self._rest(peer, request, timeout, first)

        rests = Rests(fetch, lambda message: on_notification(reply_of(message)), self._spawn)
        return LiveWatch(way, message_of(replace(request, observe=0), remote, timeout), rests.take)

    async def _rest(self, peer: str, request: Request, timeout: float, first: Any) -> Any:
        """The whole content when `first` is only the first block of it (RFC 7641, section 5)."""
        if first.opt.block2 is None or not first.opt.block2.more:
            return first
        whole = self._context.request(message_of(request, self._remote(peer), timeout))
        return await answered(peer, whole.response, timeout)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task


class _Site(aiocoap.resource.Resource):  # type: ignore[misc]  # aiocoap has no types
    def __init__(self, endpoint: Endpoint, handler: Handler, streamed: frozenset[str]) -> None:
        super().__init__()
        self._block1 = Assembly()
        self._endpoint = endpoint
        self._handler = handler
        self._streamed = streamed

    async def render_to_pipe(self, pipe: Any) -> None:
        check_options(pipe.request)
        await super().render_to_pipe(pipe)

    async def needs_blockwise_assembly(self, request: Any) -> bool:
        return not self._streamed.intersection(request.opt.uri_path[:1])

    async def render(self, request: Any) -> Any:
        remote = request.remote
        return answer_of(await self._handler(self._endpoint.peer(remote), request_of(request, _identity(remote))))


async def _listen(
    context: Transports, listener: Listener, security: SecurityStore | None, limits: DtlsLimits | None
) -> None:
    host, port = listener.host, listener.port
    match listener.scheme:
        case "coap":
            context.by_scheme[UDP] = await UdpTransport.open(context, host, port)
        case "coap+tcp":
            context.by_scheme[TCP] = await TcpTransport.open(context, host, port)
        case "coaps" if security is not None:
            keys = security

            def psk(identity: str) -> bytes | None:
                credential = keys.by_psk_identity(identity)
                return None if credential is None else credential.key

            context.by_scheme[DTLS] = await CoapsTransport.open(context, host, port, psk, limits)
        case "coaps":
            raise ValueError("a coaps port needs the keys of the devices")
        case unknown:
            raise ValueError(f"no CoAP port has the scheme {unknown!r}: use coap, coaps or coap+tcp")


def _identity(remote: Any) -> str | None:
    """The identity that the sender of a message has proved: what OSCORE says, or else DTLS."""
    if isinstance(remote, OSCOREAddress):
        claim: str = remote.security_context.authenticated_claims[0]
        return claim
    return remote.peer.identity if isinstance(remote, SessionAddress) else None
