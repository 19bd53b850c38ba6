"""Peers as strings: what a registration stores as its address, and what a request is routed by.

- `192.0.2.1:5683`, `[2001:db8::1]:5683`: UDP
- `coap+tcp://192.0.2.1:40000`: a TCP connection that the peer opened
- `coaps://dev1@192.0.2.1:40000`: a DTLS session, only while the peer there has proved to be `dev1` (percent-encoded)
- `oscore:0a1b@` before one of them: protected with the OSCORE context of this recipient id
"""

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote

UDP = "coap"
DTLS = "coaps"
TCP = "coap+tcp"
_OSCORE = "oscore:"


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer in its parts. `host` is an IP address, with its zone as a number when it is link-local."""

    scheme: str
    host: str
    port: int
    identity: str | None = None
    oscore: bytes | None = None

    def __str__(self) -> str:
        """The string; the inverse of `parse_peer`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        text = f"{host}:{self.port}"
        if self.identity is not None:
            text = f"{quote(self.identity, safe='')}@{text}"
        if self.scheme != UDP:
            text = f"{self.scheme}://{text}"
        return text if self.oscore is None else f"{_OSCORE}{self.oscore.hex()}@{text}"


@lru_cache(maxsize=4096)
def parse_peer(text: str) -> Peer:
    """The parts of a peer; remembered, because every block of a transfer asks for the same one.

    Raises:
        ValueError: the text is no peer.
    """
    oscore = None
    if text.startswith(_OSCORE):
        identifier, _, text = text.removeprefix(_OSCORE).partition("@")
        oscore = bytes.fromhex(identifier)
    scheme, found, rest = text.rpartition("://")
    identity, at, address = rest.rpartition("@")
    host, _, port = address.rpartition(":")
    peer = Peer(scheme if found else UDP, host.strip("[]"), int(port), unquote(identity) if at else None, oscore)
    if peer.scheme not in (UDP, DTLS, TCP):
        raise ValueError(f"no CoAP peer has the scheme {peer.scheme!r}")
    ipaddress.ip_address(peer.host.partition("%")[0])
    return peer


def without_oscore(text: str) -> str:
    """The peer below the protection by OSCORE, if there is any."""
    return text.partition("@")[2] if text.startswith(_OSCORE) else text


def socket_address(text: str) -> str:
    """The `host:port` of a peer, which is what people and Leshan's clients want to see."""
    peer = parse_peer(text)
    return str(Peer(UDP, peer.host, peer.port))


def is_dtls(text: str) -> bool:
    """Whether a peer is a DTLS session, which is what Leshan means by `secure`."""
    return parse_peer(text).scheme == DTLS


def from_sockaddr(scheme: str, address: tuple[object, ...], identity: str | None = None) -> Peer:
    """The peer behind a socket address (host, port, and for IPv6 flow and scope)."""
    parsed = ipaddress.ip_address(str(address[0]).partition("%")[0])
    scope = address[3] if len(address) > 3 else 0
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed, scope = parsed.ipv4_mapped, 0
    return Peer(scheme, f"{parsed}%{scope}" if scope else str(parsed), int(str(address[1])), identity)


def to_sockaddr(peer: Peer, *, mapped: bool) -> tuple[str, int] | tuple[str, int, int, int]:
    """The socket address of a peer: on an IPv6 socket (`mapped`), IPv4 addresses are mapped."""
    host, _, zone = peer.host.partition("%")
    if not mapped and ":" not in host:
        return host, peer.port
    return f"::ffff:{host}" if ":" not in host else host, peer.port, 0, int(zone or 0)
