"""The message layer's interface: CoAP requests and replies as values, whatever library carries them."""

# ruff: noqa: ASYNC109 - a deadline is part of a CoAP exchange: retransmissions are planned by it

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

DEFAULT_TIMEOUT = 60.0  # seconds for one exchange; CoAP itself gives up after 93


class Method(IntEnum):
    """CoAP request codes."""

    GET = 1
    POST = 2
    PUT = 3
    DELETE = 4
    FETCH = 5
    PATCH = 6
    IPATCH = 7


class Code(IntEnum):
    """CoAP response codes; the name is the word that Leshan's REST API uses for it."""

    CREATED = 0x41
    DELETED = 0x42
    VALID = 0x43
    CHANGED = 0x44
    CONTENT = 0x45
    CONTINUE = 0x5F
    BAD_REQUEST = 0x80
    UNAUTHORIZED = 0x81
    BAD_OPTION = 0x82
    FORBIDDEN = 0x83
    NOT_FOUND = 0x84
    METHOD_NOT_ALLOWED = 0x85
    NOT_ACCEPTABLE = 0x86
    REQUEST_ENTITY_INCOMPLETE = 0x88
    CONFLICT = 0x89
    PRECONDITION_FAILED = 0x8C
    REQUEST_ENTITY_TOO_LARGE = 0x8D
    UNSUPPORTED_CONTENT_FORMAT = 0x8F
    UNPROCESSABLE_ENTITY = 0x96
    TOO_MANY_REQUESTS = 0x9D
    INTERNAL_SERVER_ERROR = 0xA0
    SERVICE_UNAVAILABLE = 0xA3


def is_success(code: int) -> bool:
    """Whether a response code is of class 2."""
    return code >> 5 == 2


BERT = 7


@dataclass(frozen=True, slots=True)
class Block:
    """A Block1 or Block2 option (RFC 7959): block number, whether more follow, and log2 of the size less four.

    Exponent 7 is of TCP alone (BERT; RFC 8323, section 6): a message may hold several blocks of 1024 bytes.
    """

    number: int
    more: bool
    exponent: int

    @property
    def size(self) -> int:
        """Bytes in a block."""
        return 16 << min(self.exponent, BERT - 1)


@dataclass(frozen=True, slots=True)
class Request:
    """A CoAP request. `block1` or `block2`, when given, sends this one block and no other.

    On an incoming request, `secure` tells that DTLS or OSCORE protected it, and `identity` under which identity: that
    of the pre-shared key, or `oscore:` and the recipient id in hex.
    """

    method: int
    path: tuple[str, ...]
    query: tuple[str, ...] = ()
    accept: int | None = None
    content_format: int | None = None
    payload: bytes = b""
    block1: Block | None = None
    block2: Block | None = None
    size1: int | None = None
    etags: tuple[bytes, ...] = ()
    observe: int | None = None
    secure: bool = False
    identity: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A CoAP response."""

    code: int
    payload: bytes = b""
    content_format: int | None = None
    location: tuple[str, ...] = ()
    etag: bytes | None = None
    observe: int | None = None
    block1: Block | None = None
    block2: Block | None = None
    size1: int | None = None
    size2: int | None = None


@dataclass(frozen=True, slots=True)
class TracedMessage:
    """A message as it went by: `kind` is CON, NON, ACK or RST, and like `message_id` there is none over TCP."""

    at: float  # seconds since 1970
    incoming: bool
    kind: str | None
    code: int  # 0 is an empty message
    message_id: int | None
    token: bytes
    options: tuple[tuple[str, str], ...]  # names and values as people read them
    payload: bytes


Handler = Callable[[str, Request], Awaitable[Reply]]
"""Answers a request from a peer (see `peers`). It never raises: an error is a reply."""


class Watch(Protocol):
    """An observation in progress."""

    @property
    def token(self) -> bytes:
        """What its notifications are known by; with `CoapEndpoint.resume` they are known to a later process too."""

    async def cancel(self, timeout: float) -> Reply:
        """Ask the device to stop, with the token of the observation, and return its answer."""

    def forget(self) -> None:
        """Stop listening; the next notification is answered with a reset, which ends it on the device."""


class CoapEndpoint(Protocol):
    """Ports that answer requests; a request of ours leaves from the port that the peer came in at (see `peers`)."""

    @property
    def port(self) -> int:
        """The port in use: of the first listener, which is UDP."""

    @property
    def ports(self) -> Mapping[str, int]:
        """The port in use for each scheme: coap, coaps, coap+tcp."""

    async def request(self, peer: str, request: Request, timeout: float) -> Reply:
        """Send and wait for the answer; large payloads travel block-wise.

        Raises:
            DeviceTimeout: no answer within `timeout` seconds.
            DeviceUnreachable: the network reports that nobody listens.
        """

    async def observe(
        self, peer: str, request: Request, timeout: float, on_notification: Callable[[Reply], None]
    ) -> tuple[Reply, Watch | None]:
        """Like `request`, and hear notifications afterwards; no watch when the device does not notify.

        A last notification with an error code ends the observation.
        """

    def resume(
        self, peer: str, request: Request, token: bytes, timeout: float, on_notification: Callable[[Reply], None]
    ) -> Watch:
        """Hear notifications of an observation that began in an earlier process or at another address.

        Nothing is sent. `timeout` is for fetching the rest of a notification longer than a block.

        Raises:
            DeviceUnreachable: the peer's session or connection is over, and the observation with it.
        """

    def trace(self, wants: Callable[[str], bool], listener: Callable[[TracedMessage], None]) -> Callable[[], None]:
        """Hear every message from and to the peers that `wants` (see `peers`, without OSCORE), until it is called off.

        The listener must return at once and must not raise.
        """

    async def close(self) -> None:
        """Free the port."""
