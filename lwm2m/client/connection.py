"""A device's way to its server: a UDP socket, and a DTLS association beside it for coaps://; both may sleep."""

import asyncio
import socket
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from aiocoap import Context, Message
from aiocoap.numbers.codes import GET

from lwm2m.errors import BadRequest
from lwm2m.transports.coaps import CoapsClient
from lwm2m.transports.udp import GuardedUdp

COAPS_PORT = 5684


@dataclass(frozen=True, slots=True)
class Psk:
    """The identity and the key that a device shares with its server."""

    identity: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ServerAccount:
    """A server to register at: from the settings, or from Objects 0 and 1 after a bootstrap."""

    uri: str
    lifetime: int
    short_id: int = 1
    psk: Psk | None = None


class Sleep:
    """Queue mode's clock: after `awake_seconds` without a message the device hears nothing until it sends again."""

    def __init__(self, awake_seconds: float | None) -> None:
        self._awake_seconds = awake_seconds
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._deaf_until = self._last
        self.missed = 0  # datagrams that nobody heard

    @property
    def asleep(self) -> bool:
        """Whether the radio is off."""
        now = self._loop.time()
        sleeps = self._awake_seconds is not None and now > self._last + self._awake_seconds
        return sleeps or now < self._deaf_until

    def deafen(self, seconds: float) -> None:
        """Hear nothing for a while, whatever is sent: the device is out of reach."""
        self._deaf_until = self._loop.time() + seconds

    def sent(self) -> None:
        """A message goes out: awake."""
        self._last = self._loop.time()

    def hears(self) -> bool:
        """A datagram is there: whether it is heard; then it keeps the device awake."""
        if self.asleep:
            self.missed += 1
            return False
        self._last = self._loop.time()
        return True


class _SleepyUdp(GuardedUdp):
    sleep: Sleep

    @classmethod
    async def open(cls, manager: Any, context: Any, bind: tuple[str, int]) -> Any:
        """Bind without SO_REUSEPORT, which aiocoap would set: with it two devices get the same free port."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(*bind, family=socket.AF_INET6, type=socket.SOCK_DGRAM, flags=socket.AI_V4MAPPED)
        opened = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        try:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            opened.bind(found[0][4])
            return await cls._create_transport_endpoint(opened, manager, context.log, loop)
        except BaseException:
            opened.close()
            raise

    def send(self, message: Any) -> None:
        self.sleep.sent()
        super().send(message)

    def datagram_msg_received(self, data: bytes, ancdata: Any, flags: int, address: Any) -> None:
        if self.sleep.hears():
            super().datagram_msg_received(data, ancdata, flags, address)


class _SleepyCoaps(CoapsClient):
    sleep: Sleep

    def send(self, message: Any) -> None:
        self.sleep.sent()
        super().send(message)

    def _message(self, data: bytes) -> None:
        if self.sleep.hears():
            super()._message(data)


class Connection:
    """One aiocoap context: its UDP socket takes the server's requests and pulls; `secure` is there for coaps://."""

    def __init__(self, account: ServerAccount, context: Any, sleep: Sleep, secure: CoapsClient | None) -> None:
        self._account = account
        self._closed = False
        self.context = context
        self.sleep = sleep
        self.secure = secure

    @classmethod
    async def open(
        cls, site: Any, bind: tuple[str, int], account: ServerAccount, awake_seconds: float | None
    ) -> "Connection":
        """Bind the socket; nothing is sent.

        Raises:
            BadRequest: a coaps:// server without a key, or an address that is none.
            OSError: the address cannot be bound.
        """
        parts = parse_server(account)
        context = Context(serversite=site, loggername="coap-device")
        sleep = Sleep(awake_seconds)
        await context._append_tokenmanaged_messagemanaged_transport(
            lambda manager: _SleepyUdp.open(manager, context, bind)
        )
        context.request_interfaces[0].token_interface.message_interface.sleep = sleep
        secure: CoapsClient | None = None
        if parts.scheme == "coaps" and account.psk is not None:
            psk = account.psk
            port = parts.port or COAPS_PORT
            secure = await _SleepyCoaps.open(context, str(parts.hostname), port, psk.identity, psk.key)
            secure.sleep = sleep
        return cls(account, context, sleep, secure)

    @property
    def port(self) -> int:
        """The UDP port in use."""
        transport = self.context.request_interfaces[0].token_interface.message_interface.transport
        return int(transport.get_extra_info("socket").getsockname()[1])

    async def address(self, message: Any) -> None:
        """Point a message at the server: over the association, with a handshake first where there is none.

        Raises:
            AssociationEnded: the handshake fails.
        """
        if self.secure is not None:
            message.remote = self.secure.remote if self.secure.connected else await self.secure.connect()

    async def send_raw(self, data: bytes) -> None:
        """Send bytes to the server that need not be CoAP: what a damaged device sends.

        Raises:
            AssociationEnded: there is no association.
        """
        if self.secure is not None:
            self.secure.remote.association.send(data)
            return
        message = Message(code=GET, uri=self._account.uri)
        await self.context.find_remote_and_interface(message)
        interface = self.context.request_interfaces[0].token_interface.message_interface
        interface.transport.sendmsg(data, [], 0, message.remote.sockaddr)

    @property
    def lost(self) -> bool:
        """Whether the association that the registration was made on is gone (Transport 1.1.1, 6.4.3: register)."""
        return self.secure is not None and not self.secure.connected

    async def close(self) -> None:
        """Free the sockets, once."""
        if self._closed:
            return
        self._closed = True
        # A request that was given up just now is let go of in a callback; aiocoap's shutdown trips over it before that.
        await asyncio.sleep(0)
        await self.context.shutdown()


def parse_server(account: ServerAccount) -> Any:
    """The address of a server, in its parts. Raises BadRequest for one that is none, and for coaps:// without a key."""
    try:
        parts = urlsplit(account.uri)
        usable = parts.scheme in ("coap", "coaps") and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise BadRequest(f"{account.uri[:100]!r} is no server address: {error}") from error
    if not usable:
        raise BadRequest(f"{account.uri[:100]!r} is no server address: write coap://HOST:PORT or coaps://HOST:PORT")
    if parts.scheme == "coaps" and account.psk is None:
        raise BadRequest("a coaps:// server needs a pre-shared key: give its identity and key")
    return parts
