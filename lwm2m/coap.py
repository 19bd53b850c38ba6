"""The message layer on aiocoap: the only module of the server that knows the library."""

# ruff: noqa: ASYNC109 - a deadline is part of a CoAP exchange: retransmissions are planned by it

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiocoap
import aiocoap.error
import aiocoap.resource
from aiocoap.numbers.constants import TransportTuning
from aiocoap.pipe import Pipe
from aiocoap.transports.udp6 import UDP6EndpointAddress

from lwm2m.errors import BadRequest, DeviceTimeout, DeviceUnreachable
from lwm2m.messages import Block, Handler, Reply, Request

RECEIVE_BUFFER = 1 << 20  # bytes: the kernel's default overflows at a burst of 400 messages
MAX_INBOUND_BODY = 128 * 1024  # bytes of one block-wise request; the largest is a registration's object list
_MAX_RETRANSMIT = 4
_ACK_TIMEOUT = 2.0
_RANDOM_FACTOR = 1.5


async def open_endpoint(
    host: str, port: int, handler: Handler, *, streamed: frozenset[str] = frozenset()
) -> "Endpoint":
    """Bind a UDP port and answer requests with `handler`.

    `streamed` are first path segments whose requests are handed over block by block.

    Raises:
        OSError: the address cannot be bound.
    """
    _refuse_shared_port(host, port)
    context = await aiocoap.Context.create_server_context(
        _Site(handler, streamed), bind=(host, port), transports=["udp6"], loggername="lwm2m.coap"
    )
    return Endpoint(context)


class Endpoint:
    """Implements `CoapEndpoint` on an aiocoap context."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._tokens = context.request_interfaces[0]
        self._interface = self._tokens.token_interface.message_interface
        self._socket = self._interface.transport.get_extra_info("socket")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._background: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port in use."""
        return int(self._socket.getsockname()[1])

    async def request(self, peer: str, request: Request, timeout: float) -> Reply:
        """Send and wait; see `CoapEndpoint.request`."""
        message = self._message(peer, request, timeout)
        single = request.block1 is not None or request.block2 is not None
        pending = self._context.request(message, handle_blockwise=not single)
        return _to_reply(await self._answer(peer, pending.response, timeout))

    async def observe(
        self, peer: str, request: Request, timeout: float, on_notification: Callable[[Reply], None]
    ) -> tuple[Reply, "_Watch | None"]:
        """Observe; see `CoapEndpoint.observe`."""
        message = self._message(peer, request, timeout)
        message.opt.observe = 0

        def on_message(first: Any) -> None:
            self._spawn(self._notify(peer, request, timeout, first, on_notification))

        watch = _Watch(self, peer, message, on_message)
        self._tokens.request(watch.pipe)
        try:
            first = await self._answer(peer, watch.first, timeout)
            reply = _to_reply(await self._rest(peer, request, timeout, first))
        except BaseException:
            watch.forget()
            raise
        return reply, None if first.opt.observe is None else watch

    async def close(self) -> None:
        """Free the port."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._context.shutdown()

    def message_to(self, peer: str, method: int, timeout: float) -> Any:
        """An empty message whose remote is the peer, on this socket."""
        message = aiocoap.Message(code=aiocoap.numbers.codes.Code(method), transport_tuning=_Tuning(timeout))
        message.remote = UDP6EndpointAddress(_sockaddr(peer), self._interface)
        return message

    def send_with_token(self, message: Any, token: bytes, on_error: Callable[[], None]) -> None:
        """Send a message under a token that is already in use (RFC 7641, section 3.6)."""
        message.token = token
        self._tokens.token_interface.send_message(message, on_error)

    def _message(self, peer: str, request: Request, timeout: float) -> Any:
        message = self.message_to(peer, request.method, timeout)
        message.opt.uri_path = request.path
        message.opt.uri_query = request.query
        message.opt.accept = request.accept
        message.opt.content_format = request.content_format
        message.opt.size1 = request.size1
        message.payload = request.payload
        if request.block1 is not None:
            message.opt.block1 = (request.block1.number, request.block1.more, request.block1.exponent)
        if request.block2 is not None:
            message.opt.block2 = (request.block2.number, request.block2.more, request.block2.exponent)
        return message

    async def _answer(self, peer: str, response: "asyncio.Future[Any]", timeout: float) -> Any:
        try:
            return await asyncio.wait_for(response, timeout)
        except (TimeoutError, aiocoap.error.TimeoutError) as error:
            raise DeviceTimeout(f"no answer from {peer} within {timeout:g} s") from error
        except aiocoap.error.NetworkError as error:
            raise DeviceUnreachable(f"{peer} cannot be reached: {error}") from error
        except (aiocoap.error.Error, ValueError) as error:
            # The library also raises plain ValueErrors on block sequences with gaps.
            raise BadRequest(f"the answer of {peer} breaks CoAP: {error!r}") from error

    async def _rest(self, peer: str, request: Request, timeout: float, first: Any) -> Any:
        """The whole content when `first` is only the first block of it (RFC 7641, section 5)."""
        if first.opt.block2 is None or not first.opt.block2.more:
            return first
        whole = self._context.request(self._message(peer, request, timeout))
        return await self._answer(peer, whole.response, timeout)

    async def _notify(
        self, peer: str, request: Request, timeout: float, first: Any, on_notification: Callable[[Reply], None]
    ) -> None:
        # A notification whose rest cannot be fetched is lost, as any notification may be: observe is best-effort.
        with suppress(DeviceTimeout, DeviceUnreachable, BadRequest):
            on_notification(_to_reply(await self._rest(peer, request, timeout, first)))

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


class _Watch:
    """One observe request: its first answer as a future, later messages as calls."""

    def __init__(self, endpoint: Endpoint, peer: str, message: Any, on_message: Callable[[Any], None]) -> None:
        self._endpoint = endpoint
        self._peer = peer
        self._message = message
        self._on_message = on_message
        self._sequence = 0
        self._goodbye: asyncio.Future[Any] | None = None
        self.first: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.pipe = Pipe(message, endpoint._context.log)
        self.forget: Callable[[], None] = self.pipe.on_event(self._on_event)

    async def cancel(self, timeout: float) -> Reply:
        """Ask the device to stop; its answer, which is the last message under the token."""
        message = self._endpoint.message_to(self._peer, self._message.code, timeout)
        message.opt.uri_path = self._message.opt.uri_path
        message.opt.accept = self._message.opt.accept
        message.opt.observe = 1
        goodbye = self._goodbye = asyncio.get_running_loop().create_future()
        self._endpoint.send_with_token(
            message, self._message.token, lambda: _fail(goodbye, aiocoap.error.MessageError())
        )
        try:
            return _to_reply(await self._endpoint._answer(self._peer, goodbye, timeout))
        finally:
            self.forget()

    def _on_event(self, event: Any) -> bool:
        waiting = self.first if not self.first.done() else self._goodbye
        if event.message is None:
            # The device's address became unreachable: the observation is over. Whoever waits gets the error.
            if waiting is not None and event.exception is not None:
                _fail(waiting, event.exception)
            return False
        sequence = event.message.opt.observe
        if waiting is not None and not waiting.done() and (waiting is self.first or sequence is None):
            self._sequence = sequence or 0
            waiting.set_result(event.message)
        elif sequence is None or self._is_newer(sequence):
            self._on_message(event.message)
        return not event.is_last

    def _is_newer(self, sequence: int) -> bool:
        """RFC 7641, section 3.4, without the clock: a late message loses."""
        newer = 0 < (sequence - self._sequence) % (1 << 24) < 1 << 23
        if newer:
            self._sequence = sequence
        return newer


class _Site(aiocoap.resource.Resource):  # type: ignore[misc]  # aiocoap has no types
    def __init__(self, handler: Handler, streamed: frozenset[str]) -> None:
        super().__init__()
        self._handler = handler
        self._streamed = streamed

    async def needs_blockwise_assembly(self, request: Any) -> bool:
        if request.opt.uri_path[:1] and request.opt.uri_path[0] in self._streamed:
            return False
        block = request.opt.block1
        if block is not None and block.start + len(request.payload) > MAX_INBOUND_BODY:
            raise aiocoap.error.RequestEntityTooLarge(f"a request is at most {MAX_INBOUND_BODY} bytes long")
        return True

    async def render(self, request: Any) -> Any:
        reply = await self._handler(_peer(request.remote), _to_request(request))
        message = aiocoap.Message(code=aiocoap.numbers.codes.Code(reply.code), payload=reply.payload)
        message.opt.content_format = reply.content_format
        message.opt.location_path = reply.location
        message.opt.size2 = reply.size2
        message.opt.etag = reply.etag
        if reply.block2 is not None:
            message.opt.block2 = (reply.block2.number, reply.block2.more, reply.block2.exponent)
        return message


class _Tuning(TransportTuning):  # type: ignore[misc]  # aiocoap has no types
    """Plans retransmissions so that they end before the deadline: a request that was given up blocks no later one."""

    reliability = True

    def __init__(self, timeout: float) -> None:
        self.ACK_TIMEOUT = min(_ACK_TIMEOUT, max(0.1, timeout / (3 * _RANDOM_FACTOR)))
        self.MAX_RETRANSMIT = 0
        while self.MAX_RETRANSMIT < _MAX_RETRANSMIT and timeout >= self.ACK_TIMEOUT * _RANDOM_FACTOR * (
            2 ** (self.MAX_RETRANSMIT + 2) - 1
        ):
            self.MAX_RETRANSMIT += 1


def _fail(future: "asyncio.Future[Any]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _to_request(message: Any) -> Request:
    return Request(
        method=int(message.code),
        path=tuple(message.opt.uri_path),
        query=tuple(message.opt.uri_query),
        accept=_number(message.opt.accept),
        content_format=_number(message.opt.content_format),
        payload=message.payload,
        block1=_block(message.opt.block1),
        block2=_block(message.opt.block2),
        size1=message.opt.size1,
        etags=tuple(message.opt.etags or ()),
    )


def _to_reply(message: Any) -> Reply:
    return Reply(
        code=int(message.code),
        payload=message.payload,
        content_format=_number(message.opt.content_format),
        location=tuple(message.opt.location_path),
        etag=message.opt.etag,
        observe=message.opt.observe,
        block1=_block(message.opt.block1),
        block2=_block(message.opt.block2),
        size2=message.opt.size2,
    )


def _number(option: Any) -> int | None:
    return None if option is None else int(option)


def _block(option: Any) -> Block | None:
    return None if option is None else Block(option.block_number, bool(option.more), option.size_exponent)


def _peer(remote: Any) -> str:
    """`host:port`, with the zone as a number for link-local addresses; the inverse of `_sockaddr`."""
    host, port, _, scope = remote.sockaddr
    address = ipaddress.IPv6Address(host.partition("%")[0])
    if address.ipv4_mapped is not None:
        return f"{address.ipv4_mapped}:{port}"
    zone = f"%{scope}" if scope else ""
    return f"[{address}{zone}]:{port}"


def _sockaddr(peer: str) -> tuple[str, int, int, int]:
    host, _, port = peer.rpartition(":")
    host, _, zone = host.strip("[]").partition("%")
    address = ipaddress.ip_address(host)
    text = f"::ffff:{address}" if isinstance(address, ipaddress.IPv4Address) else str(address)
    return text, int(port), 0, int(zone or 0)


def _refuse_shared_port(host: str, port: int) -> None:
    """Aiocoap binds with SO_REUSEPORT, so that two servers would silently share one port's devices."""
    if port == 0:
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise OSError(error.errno, f"UDP port {port} is already in use: choose another CoAP port") from error
            raise
