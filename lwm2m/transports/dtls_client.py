"""The device's side of DTLS 1.2 with a pre-shared key: one association on a UDP socket of its own."""

import asyncio
from collections.abc import Callable
from typing import Any

from lwm2m.transports.association import Association, AssociationEnded, client_context

HANDSHAKE_SECONDS = 20.0
_RECORD_TYPES = range(20, 24)


class DtlsClient(asyncio.DatagramProtocol):
    """Call `connect`, which may be repeated: every handshake gives a new association from the same port.

    `on_message` hears what the server sends, `on_end` that the association is over and why.
    """

    def __init__(
        self,
        identity: str,
        key: bytes,
        on_message: Callable[[bytes], None],
        on_end: Callable[[AssociationEnded], None],
    ) -> None:
        self._context, self._alive = client_context(identity, key)
        self._on_message = on_message
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._association: Association | None = None
        self._established: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: Any = None

    @property
    def local(self) -> tuple[str, int]:
        """Our address and port."""
        host, port = self._transport.get_extra_info("sockname")[:2]
        return str(host), int(port)

    @property
    def server(self) -> tuple[Any, ...]:
        """The server's socket address."""
        address: tuple[Any, ...] = self._transport.get_extra_info("peername")
        return address

    async def connect(self, host: str, port: int, seconds: float = HANDSHAKE_SECONDS) -> None:
        """Shake hands; the socket of an earlier call is used again.

        Raises:
            AssociationEnded: the server refuses, or does not know the key, or does not answer within `seconds`.
            OSError: the host has no address.
        """
        if self._transport is None or self._transport.is_closing():
            await self._loop.create_datagram_endpoint(lambda: self, remote_addr=(host, port))
        self._stop_timer()
        self._settle(AssociationEnded("another handshake was begun"))
        association = self._association = Association.connecting(self._context)
        established = self._established = self._loop.create_future()
        self._feed(b"")
        try:
            async with asyncio.timeout(seconds):
                await established
        except TimeoutError as error:
            if self._association is association:
                self._stop_timer()
                self._association = None
            raise AssociationEnded(f"no DTLS handshake with {host}:{port}: check the key and the address") from error

    def send(self, message: bytes) -> None:
        """Send one message.

        Raises:
            AssociationEnded: there is no association: connect first.
        """
        if self._association is None or not self._association.established:
            raise AssociationEnded("there is no DTLS association: connect first")
        self._association.write(message)
        self._flush()

    def close(self) -> None:
        """Say goodbye and free the port."""
        self._stop_timer()
        if self._association is not None:
            self._association.close()
            self._flush()
            self._association = None
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio: the socket is there."""
        self._transport = transport

    def error_received(self, exc: Exception) -> None:
        """Asyncio: the network says that nobody listens."""
        self._fail(AssociationEnded(f"the DTLS server cannot be reached: {exc}"))

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Asyncio: a datagram from the server; the socket is connected, so `addr` is always the server's."""
        del addr
        if data and data[0] in _RECORD_TYPES:
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        association = self._association
        if association is None:
            return
        try:
            messages = association.feed(data)
        except AssociationEnded as error:
            self._flush()
            self._fail(error)
            return
        self._flush()
        if association.established and self._established is not None:
            self._stop_timer()
            self._settle(None)
        elif not association.established:
            self._schedule()
        for message in messages:
            self._on_message(message)

    def _fail(self, error: AssociationEnded) -> None:
        self._stop_timer()
        connecting = self._established is not None
        self._association = None
        self._settle(error)
        if not connecting:
            self._on_end(error)

    def _settle(self, error: AssociationEnded | None) -> None:
        waiting, self._established = self._established, None
        if waiting is None or waiting.done():
            return
        if error is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(error)

    def _schedule(self) -> None:
        self._stop_timer()
        wait = None if self._association is None else self._association.seconds_to_retransmission()
        if wait is not None:
            self._timer = self._loop.call_later(max(wait, 0.01), self._retransmit)

    def _retransmit(self) -> None:
        if self._association is None:
            return
        try:
            self._association.retransmit()
        except AssociationEnded as error:
            self._fail(error)
            return
        self._flush()
        self._schedule()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _flush(self) -> None:
        if self._association is not None and self._transport is not None:
            for datagram in self._association.outgoing():
                self._transport.sendto(datagram)
