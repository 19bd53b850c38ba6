"""CoAP over DTLS: the server and the device's client as aiocoap message interfaces."""

import logging
from typing import Any, Self

import aiocoap
from aiocoap import error, interfaces

from lwm2m.errors import DeviceUnreachable
from lwm2m.peers import DTLS, Peer, from_sockaddr, to_sockaddr
from lwm2m.transports.association import AssociationEnded, PskLookup
from lwm2m.transports.dtls import DtlsServer, DtlsSession
from lwm2m.transports.dtls_client import HANDSHAKE_SECONDS, DtlsClient
from lwm2m.transports.duplicates import bound_duplicates
from lwm2m.transports.exchange import acknowledge_by_answer
from lwm2m.transports.limits import DtlsLimits
from lwm2m.transports.message_ids import number_messages

_log = logging.getLogger(__name__)


class SessionAddress(interfaces.EndpointAddress):  # type: ignore[misc]  # aiocoap has no types
    """The remote of one association: equal to itself alone, so that nothing outlives a handshake (RFC 7252, 9.1.2)."""

    scheme = DTLS
    is_multicast = False
    is_multicast_locally = False
    maximum_block_size_exp = 6

    def __init__(self, association: DtlsSession | DtlsClient, peer: Peer, port: int) -> None:
        self.association = association
        self.peer = peer
        self._port = port

    @property
    def hostinfo(self) -> str:
        """The other side's host and port."""
        return str(Peer("coap", self.peer.host, self.peer.port))

    @property
    def hostinfo_local(self) -> str:
        """Our port; aiocoap only shows it."""
        return f"localhost:{self._port}"

    @property
    def uri_base(self) -> str:
        """The other side's URI."""
        return f"{DTLS}://{self.hostinfo}"

    @property
    def uri_base_local(self) -> str:
        """Our URI; aiocoap only shows it."""
        return f"{DTLS}://{self.hostinfo_local}"

    @property
    def blockwise_key(self) -> object:
        """What blocks are put together by: this association."""
        return self


class _Interface(interfaces.MessageInterface):  # type: ignore[misc]  # aiocoap has no types
    """What the two sides share: messages in and out of associations."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager

    def send(self, message: Any) -> None:
        try:
            message.remote.association.send(message.encode())
        except AssociationEnded as over:
            # Whoever waits for an answer has heard of the end already, or runs into the deadline.
            _log.debug("message dropped: peer=%s error=%s", message.remote.peer, over)

    async def recognize_remote(self, remote: Any) -> bool:
        return isinstance(remote, SessionAddress) and self._knows(remote)

    def _knows(self, remote: SessionAddress) -> bool:
        raise NotImplementedError

    def _received(self, remote: SessionAddress, data: bytes) -> None:
        try:
            message = aiocoap.Message.decode(data, remote=remote)
        except (error.UnparsableMessage, UnicodeDecodeError):  # the second of text options: aiocoap lets it through
            _log.info("not CoAP: peer=%s", remote.peer)
            return
        self._manager.dispatch_message(message)

    def _ended(self, remote: SessionAddress, over: AssociationEnded) -> None:
        if self._manager is not None:
            self._manager.dispatch_error(error.NetworkError(str(over)), remote)


class CoapsTransport:
    """Implements `Transport`."""

    scheme = DTLS

    def __init__(self, tokens: Any) -> None:
        self.tokens = tokens
        acknowledge_by_answer(tokens)
        bound_duplicates(tokens)
        self._interface: _ServerInterface = tokens.token_interface.message_interface

    @classmethod
    async def open(cls, context: Any, host: str, port: int, psk: PskLookup, limits: DtlsLimits | None) -> Self:
        """Bind the port and add it to the context.

        Raises:
            OSError: the address cannot be bound.
        """
        await context._append_tokenmanaged_messagemanaged_transport(
            lambda manager: _ServerInterface.open(manager, host, port, psk, limits)
        )
        return cls(number_messages(context.request_interfaces[-1]))

    @property
    def port(self) -> int:
        """The port in use."""
        return self._interface.server.port

    @property
    def ways(self) -> tuple[tuple[Any, str, bool], ...]:
        """See `Transport.ways`."""
        return (self.tokens.token_interface, "dispatch_message", True), (self._interface, "send", False)

    def owns(self, remote: Any) -> bool:
        """See `Transport.owns`."""
        return isinstance(remote, SessionAddress)

    def peer(self, remote: Any) -> Peer:
        """See `Transport.peer`."""
        peer: Peer = remote.peer
        return peer

    def remote(self, peer: Peer) -> Any:
        """See `Transport.remote`."""
        remote = self._interface.remote(peer)
        if remote is None:
            raise DeviceUnreachable(f"{peer} has no DTLS session any more: wait until the device registers again")
        return remote


class _ServerInterface(_Interface):
    def __init__(self, manager: Any) -> None:
        super().__init__(manager)
        self._remotes: dict[DtlsSession, SessionAddress] = {}
        self.server: DtlsServer

    @classmethod
    async def open(
        cls, manager: Any, host: str, port: int, psk: PskLookup, limits: DtlsLimits | None
    ) -> "_ServerInterface":
        self = cls(manager)
        self.server = await DtlsServer.open(host, port, psk, self._message, self._end, limits)
        self._mapped = ":" in host
        return self

    def remote(self, peer: Peer) -> SessionAddress | None:
        session = self.server.session(to_sockaddr(peer, mapped=self._mapped))
        if session is None or session.identity != peer.identity:
            return None
        return self._remotes.get(session)

    async def determine_remote(self, _message: Any) -> None:
        """A server opens no session."""

    async def shutdown(self) -> None:
        self._manager = None
        self.server.close()

    def _knows(self, remote: SessionAddress) -> bool:
        return isinstance(remote.association, DtlsSession) and remote.association in self._remotes

    def _message(self, session: DtlsSession, data: bytes) -> None:
        remote = self._remotes.get(session)
        if remote is None:
            peer = from_sockaddr(DTLS, session.address, session.identity)
            remote = self._remotes[session] = SessionAddress(session, peer, self.server.port)
        self._received(remote, data)

    def _end(self, session: DtlsSession, over: AssociationEnded) -> None:
        remote = self._remotes.pop(session, None)
        if remote is not None:
            self._ended(remote, over)


class CoapsClient(_Interface):
    """The device's connection to a server, on a socket of its own; add it to a context with `open`.

    The server's requests arrive at the context's site. `connect` again after `connected` became false; requests go to
    `remote`, or to URIs `coaps://HOST:PORT/...` with the host and the port as they were given to `open`.
    """

    def __init__(self, manager: Any, host: str, port: int, identity: str, key: bytes) -> None:
        super().__init__(manager)
        self._host = host
        self._port = port
        self._identity = identity
        self._client = DtlsClient(identity, key, self._message, self._end)
        self._remote: SessionAddress | None = None

    @classmethod
    async def open(cls, context: Any, host: str, port: int, identity: str, key: bytes) -> "CoapsClient":
        """Add a connection to an aiocoap context; nothing is sent before `connect`."""

        async def make(manager: Any) -> CoapsClient:
            return cls(manager, host, port, identity, key)

        await context._append_tokenmanaged_messagemanaged_transport(make)
        tokens = number_messages(context.request_interfaces[-1])
        client: CoapsClient = tokens.token_interface.message_interface
        return client

    async def connect(self, seconds: float = HANDSHAKE_SECONDS) -> SessionAddress:
        """Shake hands, or shake hands again; the remote to send requests to.

        Raises:
            AssociationEnded: the server refuses, or does not know the key, or does not answer.
            OSError: the host has no address.
        """
        self._end(AssociationEnded("the device shakes hands again"))
        await self._client.connect(self._host, self._port, seconds)
        peer = from_sockaddr(DTLS, self._client.server, self._identity)
        self._remote = SessionAddress(self._client, peer, self._client.local[1])
        return self._remote

    @property
    def connected(self) -> bool:
        """Whether there is an association."""
        return self._remote is not None

    @property
    def remote(self) -> SessionAddress:
        """The server.

        Raises:
            AssociationEnded: there is no association: connect first.
        """
        if self._remote is None:
            raise AssociationEnded("there is no DTLS association: connect first")
        return self._remote

    async def determine_remote(self, message: Any) -> SessionAddress | None:
        """The server, when the message's URI is below it."""
        if message.requested_scheme != DTLS or self._remote is None:
            return None
        asked = message.unresolved_remote or message.opt.uri_host
        return self._remote if asked in {f"{self._host}:{self._port}", f"[{self._host}]:{self._port}"} else None

    async def shutdown(self) -> None:
        """Aiocoap: the context ends."""
        self._manager = None
        self._client.close()

    def _knows(self, remote: SessionAddress) -> bool:
        return remote is self._remote

    def _message(self, data: bytes) -> None:
        if self._remote is not None:
            self._received(self._remote, data)

    def _end(self, over: AssociationEnded) -> None:
        remote, self._remote = self._remote, None
        if remote is not None:
            self._ended(remote, over)
