"""CoAP over UDP: aiocoap's udp6 transport."""

import asyncio
import errno
import os
import socket
from contextlib import suppress
from typing import Any, Self

from aiocoap.transports.udp6 import MessageInterfaceUDP6, UDP6EndpointAddress

from lwm2m.peers import UDP, Peer, from_sockaddr, to_sockaddr
from lwm2m.transports.duplicates import bound_duplicates
from lwm2m.transports.exchange import acknowledge_by_answer
from lwm2m.transports.message_ids import number_messages

# Aiocoap shares ports (SO_REUSEPORT) unless told otherwise: the kernel would give one free port to two processes, and
# each would get some of the other's datagrams.
os.environ.setdefault("AIOCOAP_REUSE_PORT", "0")

RECEIVE_BUFFER = 1 << 20  # bytes: the kernel's default overflows at a burst of 400 messages


class GuardedUdp(MessageInterfaceUDP6):  # type: ignore[misc] # aiocoap ships no types
    """aiocoap's interface, with two errors kept from the event loop that it lets through."""

    def datagram_msg_received(self, data: bytes, ancdata: Any, flags: int, address: Any) -> None:
        """Drop what cannot be: options that are no UTF-8, and an answer in the instant its request was given up."""
        with suppress(UnicodeDecodeError, asyncio.InvalidStateError):
            super().datagram_msg_received(data, ancdata, flags, address)


class UdpTransport:
    """Implements `Transport`."""

    scheme = UDP

    def __init__(self, tokens: Any) -> None:
        self.tokens = tokens
        acknowledge_by_answer(tokens)
        bound_duplicates(tokens)
        self._interface = tokens.token_interface.message_interface
        self._socket = self._interface.transport.get_extra_info("socket")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)

    @classmethod
    async def open(cls, context: Any, host: str, port: int) -> Self:
        """Bind the port and add it to the context.

        Raises:
            OSError: the address cannot be bound.
        """
        _refuse_shared_port(host, port)
        await context._append_tokenmanaged_messagemanaged_transport(
            lambda manager: GuardedUdp.create_server_transport_endpoint(
                manager, log=context.log, loop=context.loop, bind=(host, port), multicast=[]
            )
        )
        return cls(number_messages(context.request_interfaces[-1]))

    @property
    def port(self) -> int:
        """The port in use."""
        return int(self._socket.getsockname()[1])

    @property
    def ways(self) -> tuple[tuple[Any, str, bool], ...]:
        """See `Transport.ways`."""
        return (self.tokens.token_interface, "dispatch_message", True), (self._interface, "send", False)

    def owns(self, remote: Any) -> bool:
        """See `Transport.owns`."""
        return isinstance(remote, UDP6EndpointAddress) and remote.interface is self._interface

    def peer(self, remote: Any) -> Peer:
        """See `Transport.peer`."""
        return from_sockaddr(UDP, remote.sockaddr)

    def remote(self, peer: Peer) -> Any:
        """See `Transport.remote`."""
        return UDP6EndpointAddress(to_sockaddr(peer, mapped=True), self._interface)


def _refuse_shared_port(host: str, port: int) -> None:
    """Say which port it is: aiocoap's own error does not, and where it shares ports there is none."""
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
