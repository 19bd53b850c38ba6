"""CoAP over TCP (RFC 8323): aiocoap's transport on a port of our choice, with a limit, and requests both ways."""

import asyncio
import logging
import resource
from typing import Any, Self
from weakref import WeakValueDictionary

from aiocoap.transports.tcp import TcpConnection, TCPServer

from lwm2m.errors import DeviceUnreachable
from lwm2m.peers import TCP, Peer, from_sockaddr
from lwm2m.transports.message_ids import randomise_tokens

MAX_CONNECTIONS = 4096  # or half of the file descriptors that the process may have, if that is less
GREETING_SECONDS = 10.0  # for the capabilities that every connection begins with (RFC 8323, section 5.3)
MAX_MESSAGE = 128 * 1024  # bytes; larger bodies travel block-wise
_log = logging.getLogger(__name__)


class TcpTransport:
    """Implements `Transport`."""

    scheme = TCP

    def __init__(self, tokens: Any) -> None:
        self.tokens = tokens
        self._listener: _Listener = tokens.token_interface

    @classmethod
    async def open(cls, context: Any, host: str, port: int) -> Self:
        """Bind the port and add it to the context.

        Raises:
            OSError: the address cannot be bound.
        """
        await context._append_tokenmanaged_transport(lambda tokens: _Listener.listen(tokens, host, port))
        return cls(randomise_tokens(context.request_interfaces[-1]))

    @property
    def port(self) -> int:
        """The port in use."""
        return int(self._listener.server.sockets[0].getsockname()[1])

    @property
    def ways(self) -> tuple[tuple[Any, str, bool], ...]:
        """See `Transport.ways`."""
        return (self._listener, "_dispatch_incoming", True), (self._listener, "send_message", False)

    def owns(self, remote: Any) -> bool:
        """See `Transport.owns`."""
        return isinstance(remote, _Connection) and remote._ctx is self._listener

    def peer(self, remote: Any) -> Peer:
        """See `Transport.peer`."""
        peer: Peer = remote.peer
        return peer

    def remote(self, peer: Peer) -> Any:
        """See `Transport.remote`."""
        connection = self._listener.connections.get(peer)
        if connection is None or connection not in self._listener._pool:
            raise DeviceUnreachable(f"{peer} has closed its connection: wait until the device registers again")
        return connection


class _Connection(TcpConnection):  # type: ignore[misc]  # aiocoap has no types
    """A connection that knows its peer; it is the remote of its messages."""

    _my_max_message_size = MAX_MESSAGE
    peer: Peer

    def connection_made(self, transport: Any) -> None:
        self.peer = from_sockaddr(TCP, transport.get_extra_info("peername"))
        super().connection_made(transport)
        if len(self._ctx._pool) > self._ctx.limit:
            _log.warning("TCP connection refused: %d are open", self._ctx.limit)
            self.abort("too many connections")
            return
        self._ctx.connections[self.peer] = self
        self.loop.call_later(self._ctx.greeting_seconds, self._expect_greeting)

    def data_received(self, data: bytes) -> None:
        """Asyncio: a part of the stream. What cannot be read ends the connection: where the next begins is not sure."""
        try:
            super().data_received(data)
        except UnicodeDecodeError:  # a text option; aiocoap lets the error through
            self.abort("Failed to parse message")

    def pause_writing(self) -> None:
        """Asyncio: the peer asks and does not read the answers: hear it no further, or they pile up in memory."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Asyncio: it reads again."""
        self._transport.resume_reading()

    def _expect_greeting(self) -> None:
        if self._remote_settings is None and not self._transport.is_closing():
            self.abort("no capabilities in time")


class _Listener(TCPServer):  # type: ignore[misc]  # aiocoap has no types
    """`TCPServer.create_server` takes no port 0 and shares its port with other processes; this does neither."""

    def __init__(self) -> None:
        super().__init__()
        self.connections: WeakValueDictionary[Peer, _Connection] = WeakValueDictionary()
        self.greeting_seconds = GREETING_SECONDS
        self.limit = min(MAX_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)

    @classmethod
    async def listen(cls, tokens: Any, host: str, port: int) -> "_Listener":
        self = cls()
        self._tokenmanager = tokens
        self.log = tokens.log
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: self._accept(loop), host, port)
        return self

    def _accept(self, loop: asyncio.AbstractEventLoop) -> _Connection:
        connection = _Connection(self, self.log, loop, is_server=True)
        self._pool.add(connection)
        return connection
