"""What the message layer needs of a way to travel, and the context that chooses between them."""

from typing import Any, Protocol

import aiocoap
from aiocoap import error
from aiocoap.transports.oscore import OSCOREAddress, TransportOSCORE

from lwm2m.peers import Peer


class Transport(Protocol):
    """One bound port in an aiocoap context. Remotes are aiocoap's addresses."""

    @property
    def scheme(self) -> str:
        """The scheme of its peers."""

    @property
    def tokens(self) -> Any:
        """Its token manager in aiocoap."""

    @property
    def port(self) -> int:
        """The port in use."""

    @property
    def ways(self) -> tuple[tuple[Any, str, bool], ...]:
        """What every message goes through in aiocoap: the object, its method, and whether messages come in there."""

    def owns(self, remote: Any) -> bool:
        """Whether messages to this remote leave here."""

    def peer(self, remote: Any) -> Peer:
        """The peer behind a remote."""

    def remote(self, peer: Peer) -> Any:
        """The remote behind a peer.

        Raises:
            DeviceUnreachable: its connection or session is over.
        """


class Transports(aiocoap.Context):  # type: ignore[misc]  # aiocoap has no types
    """An aiocoap context that finds the way of a message by its remote; aiocoap itself asks each way in turn."""

    def __init__(self) -> None:
        super().__init__(loggername="lwm2m.coap")
        self.by_scheme: dict[str, Transport] = {}
        self._oscore = TransportOSCORE(self, self)

    def of(self, remote: Any) -> Transport:
        """The transport of a remote.

        Raises:
            NoRequestInterface: none of ours.
        """
        for transport in self.by_scheme.values():
            if transport.owns(remote):
                return transport
        raise error.NoRequestInterface

    async def find_remote_and_interface(self, message: Any) -> Any:
        """Aiocoap: whom to give a request to."""
        if isinstance(message.remote, OSCOREAddress):
            return self._oscore
        return self.of(message.remote).tokens
