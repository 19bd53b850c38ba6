"""A DTLS 1.2 server with pre-shared keys on one UDP port: sessions that carry datagrams both ways."""

import asyncio
import hashlib
import hmac
import logging
import secrets
import socket
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Self

from lwm2m.transports.association import (
    APPLICATION_DATA,
    Association,
    AssociationEnded,
    PskLookup,
    hello_random,
    is_client_hello,
    server_context,
)
from lwm2m.transports.limits import DtlsLimits, SourceRate

RECEIVE_BUFFER = 1 << 20  # bytes: the kernel's default overflows at a burst of 400 messages
_COOKIE_SECONDS = 300.0  # after which the key that cookies are made with is replaced; the one before still counts
_RECORD_TYPES = range(20, 24)
_log = logging.getLogger(__name__)

Address = tuple[Any, ...]
"""A socket address as asyncio hands it over: host, port, and for IPv6 flow and scope."""


class DtlsSession:
    """An association with an authenticated peer. It stays the same object until the peer's next handshake."""

    def __init__(self, server: "DtlsServer", address: Address, association: Association) -> None:
        self._server = server
        self.address = address
        self.association = association
        self.seen = 0.0
        self.open = True

    @property
    def identity(self) -> str:
        """The identity of the key that the peer proved to have."""
        return self.association.identity

    def send(self, message: bytes) -> None:
        """Send one message.

        Raises:
            AssociationEnded: the session is over.
        """
        if not self.open:
            raise AssociationEnded("the DTLS session is over: the device has to shake hands again")
        self._server.transmit(self, message)


class _Handshake:
    """An unfinished handshake and its timer."""

    def __init__(self, association: Association, random: bytes, deadline: float) -> None:
        self.association = association
        self.random = random
        self.deadline = deadline
        self.timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        if self.timer is not None:
            self.timer.cancel()


class DtlsServer(asyncio.DatagramProtocol):
    """Open with `open`. `on_message` hears what sessions receive, `on_end` that one is over and why."""

    def __init__(
        self,
        psk: PskLookup,
        on_message: Callable[[DtlsSession, bytes], None],
        on_end: Callable[[DtlsSession, AssociationEnded], None],
        limits: DtlsLimits,
    ) -> None:
        self._psk = psk
        self._on_message = on_message
        self._on_end = on_end
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._rate = SourceRate(limits.hellos_per_second, limits.hellos_at_once)
        self._sessions: OrderedDict[Address, DtlsSession] = OrderedDict()  # the one silent for longest first
        self._handshakes: OrderedDict[Address, _Handshake] = OrderedDict()  # the oldest first
        self._cookie_keys = (secrets.token_bytes(32), secrets.token_bytes(32))
        self._cookie_keys_made = self._loop.time()
        self._hello_from: Address = ()
        self._context, self._alive = server_context(psk, self._cookie, self._is_cookie)
        self._listener = Association.accepting(self._context)
        self._transport: Any = None
        self._purge: asyncio.TimerHandle | None = None

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        psk: PskLookup,
        on_message: Callable[[DtlsSession, bytes], None],
        on_end: Callable[[DtlsSession, AssociationEnded], None],
        limits: DtlsLimits | None = None,
    ) -> Self:
        """Bind the port and serve.

        Raises:
            OSError: the address cannot be bound.
        """
        server = cls(psk, on_message, on_end, limits or DtlsLimits())
        await server._loop.create_datagram_endpoint(lambda: server, local_addr=(host, port))
        return server

    @property
    def port(self) -> int:
        """The UDP port in use."""
        return int(self._transport.get_extra_info("sockname")[1])

    @property
    def sessions(self) -> int:
        """How many peers are authenticated."""
        return len(self._sessions)

    @property
    def handshakes(self) -> int:
        """How many handshakes are unfinished."""
        return len(self._handshakes)

    def session(self, address: Address) -> DtlsSession | None:
        """The session with the peer at an address."""
        return self._sessions.get(address)

    def close(self) -> None:
        """Say goodbye to every peer and free the port."""
        if self._purge is not None:
            self._purge.cancel()
        for handshake in self._handshakes.values():
            handshake.stop()
        self._handshakes.clear()
        for session in list(self._sessions.values()):
            self._end(session, AssociationEnded("the server shuts down"), farewell=True)
        self._transport.close()

    def transmit(self, session: DtlsSession, message: bytes) -> None:
        """Send one message of a session; sessions call it.

        Raises:
            AssociationEnded: the session is over, or its key is not valid any more.
        """
        if not self._still_valid(session):
            raise AssociationEnded("the key of this DTLS session was replaced or removed")
        session.association.write(message)
        self._flush(session.association, session.address)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio: the socket is bound."""
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._purge_idle()

    def error_received(self, exc: Exception) -> None:
        """Asyncio: an ICMP error, which names no peer; whoever waits for that peer runs into its deadline."""
        _log.debug("network error: %s", exc)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Asyncio: a datagram, from anybody."""
        handshake = self._handshakes.get(addr)
        if is_client_hello(data):
            # A client that lost our flight repeats its hello: its handshake goes on, and our timer repeats the flight.
            if handshake is None or hello_random(data) != handshake.random:
                self._hello(data, addr)
            return
        if not data or data[0] not in _RECORD_TYPES:
            return
        session = self._sessions.get(addr)
        if session is not None and (handshake is None or data[0] == APPLICATION_DATA):
            self._session_datagram(session, data)
        elif handshake is not None:
            self._advance(addr, handshake, data)

    def _hello(self, hello: bytes, addr: Address) -> None:
        """Ask for a cookie, or begin a handshake with who sent ours: an older session stays until it is finished."""
        now = self._loop.time()
        if not self._rate.allows(addr[0], now):
            return
        self._hello_from = addr
        association = self._listener
        try:
            knows_cookie = association.listen(hello)
        except AssociationEnded as error:
            _log.debug("bad hello: peer=%s:%s error=%s", addr[0], addr[1], error)
            self._listener = Association.accepting(self._context)
            return
        if not knows_cookie:
            self._flush(association, addr)
            return
        self._listener = Association.accepting(self._context)
        if not self._room_for(addr):
            _log.warning("DTLS session refused: %d sessions are open", len(self._sessions))
            return
        self._abandon(addr)
        if len(self._handshakes) >= self._limits.handshakes:
            self._abandon(next(iter(self._handshakes)))
        handshake = _Handshake(association, hello_random(hello), now + self._limits.handshake_seconds)
        self._handshakes[addr] = handshake
        self._advance(addr, handshake, b"")

    def _advance(self, addr: Address, handshake: _Handshake, data: bytes) -> None:
        association = handshake.association
        try:
            messages = association.feed(data)
        except AssociationEnded as error:
            _log.info("DTLS handshake failed: peer=%s:%s error=%s", addr[0], addr[1], error)
            self._flush(association, addr)  # the alert that tells the peer why
            self._abandon(addr)
            return
        self._flush(association, addr)
        if not association.established:
            self._schedule(addr, handshake)
            return
        self._abandon(addr)
        previous = self._sessions.get(addr)
        if previous is not None:
            self._end(previous, AssociationEnded("the device shook hands again"))
        session = self._sessions[addr] = DtlsSession(self, addr, association)
        session.seen = self._loop.time()
        for message in messages:
            self._on_message(session, message)

    def _session_datagram(self, session: DtlsSession, data: bytes) -> None:
        if not self._still_valid(session):
            return
        try:
            messages = session.association.feed(data)
        except AssociationEnded as error:
            self._flush(session.association, session.address)
            self._end(session, error)
            return
        self._flush(session.association, session.address)
        if messages:
            # Only what was authentic counts as a sign of life.
            session.seen = self._loop.time()
            self._sessions.move_to_end(session.address)
        for message in messages:
            self._on_message(session, message)

    def _still_valid(self, session: DtlsSession) -> bool:
        """Ends a session whose key was replaced or removed."""
        if session.open and self._psk(session.identity) != session.association.key:
            self._end(session, AssociationEnded("the key of this DTLS session was replaced or removed"), farewell=True)
        return session.open

    def _schedule(self, addr: Address, handshake: _Handshake) -> None:
        handshake.stop()
        left = handshake.deadline - self._loop.time()
        wait = handshake.association.seconds_to_retransmission()
        delay = left if wait is None else min(left, wait)
        handshake.timer = self._loop.call_later(max(delay, 0.01), self._handshake_timer, addr, handshake)

    def _handshake_timer(self, addr: Address, handshake: _Handshake) -> None:
        if self._loop.time() >= handshake.deadline:
            # A wrong key looks like this: records under it are dropped without a word (RFC 6347, section 4.1.2.7).
            _log.info("DTLS handshake not finished in time: peer=%s:%s key right?", addr[0], addr[1])
            self._abandon(addr)
            return
        try:
            handshake.association.retransmit()
        except AssociationEnded as error:
            _log.info("DTLS handshake given up: peer=%s:%s error=%s", addr[0], addr[1], error)
            self._abandon(addr)
            return
        self._flush(handshake.association, addr)
        self._schedule(addr, handshake)

    def _abandon(self, addr: Address) -> None:
        handshake = self._handshakes.pop(addr, None)
        if handshake is not None:
            handshake.stop()

    def _room_for(self, addr: Address) -> bool:
        if addr in self._sessions or len(self._sessions) < self._limits.sessions:
            return True
        quietest = next(iter(self._sessions.values()))
        if self._loop.time() - quietest.seen < self._limits.quiet:
            return False
        self._end(quietest, AssociationEnded("the session made room for another"), farewell=True)
        return True

    def _purge_idle(self) -> None:
        oldest = self._loop.time() - self._limits.idle
        for session in list(self._sessions.values()):
            if session.seen > oldest:
                break
            self._end(session, AssociationEnded("the device was silent for too long"), farewell=True)
        self._purge = self._loop.call_later(min(self._limits.idle / 2, 60.0), self._purge_idle)

    def _end(self, session: DtlsSession, error: AssociationEnded, *, farewell: bool = False) -> None:
        session.open = False
        self._sessions.pop(session.address, None)
        if farewell:
            session.association.close()
            self._flush(session.association, session.address)
        self._on_end(session, error)

    def _flush(self, association: Association, addr: Address) -> None:
        for datagram in association.outgoing():
            self._transport.sendto(datagram, addr)

    def _cookie(self) -> bytes:
        now = self._loop.time()
        if now - self._cookie_keys_made > _COOKIE_SECONDS:
            self._cookie_keys = (secrets.token_bytes(32), self._cookie_keys[0])
            self._cookie_keys_made = now
        return self._cookie_under(self._cookie_keys[0])

    def _is_cookie(self, cookie: bytes) -> bool:
        return any(hmac.compare_digest(cookie, self._cookie_under(key)) for key in self._cookie_keys)

    def _cookie_under(self, key: bytes) -> bytes:
        return hmac.digest(key, repr(self._hello_from).encode(), hashlib.sha256)
