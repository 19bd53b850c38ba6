"""One DTLS 1.2 association with a pre-shared key on OpenSSL: datagrams and plaintext in and out, without I/O."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from OpenSSL import SSL

from lwm2m.errors import DeviceUnreachable

# The mandatory suites of LwM2M (Transport 1.1.1, section 5.2.8.1) and the two that devices prefer when they may.
# CCM_8 has tags of 64 bits, which OpenSSL only allows at security level 0; the list itself keeps weak suites out.
SUITES = (
    b"PSK-AES128-CCM8:PSK-AES128-CBC-SHA256:PSK-AES128-GCM-SHA256:PSK-AES128-CCM:PSK-AES256-CCM8:"
    b"PSK-AES256-GCM-SHA384:@SECLEVEL=0"
)
MTU = 1280 - 48  # bytes of a UDP payload that every IPv6 path carries
HANDSHAKE, APPLICATION_DATA = 22, 23  # record content types
_CLIENT_HELLO = 1
_RECORD_HEADER = 13
_HELLO_RANDOM = slice(27, 59)  # in the first record: record header, handshake header, version, then 32 bytes
_DTLS_1_2 = 0xFEFD
_READ_SIZE = 1 << 14  # bytes: the largest plaintext of a record
# pyOpenSSL has no public call for pre-shared keys; cryptography exports OpenSSL's own, and pyOpenSSL holds both.
_openssl: Any = SSL

PskLookup = Callable[[str], bytes | None]
"""The pre-shared key behind an identity; None when there is none."""


class AssociationEnded(DeviceUnreachable):
    """The DTLS association is over: the peer closed it, or the handshake failed. A new handshake is needed."""


class Association:
    """One side of an association. After every call, send what `outgoing` yields."""

    def __init__(self, connection: SSL.Connection) -> None:
        connection.set_app_data(self)
        connection.set_ciphertext_mtu(MTU)
        self._connection = connection
        self.identity = ""
        self.key = b""
        self.established = False

    @classmethod
    def accepting(cls, context: SSL.Context) -> "Association":
        """The server's side, before its first ClientHello."""
        connection = SSL.Connection(context, None)
        connection.set_accept_state()
        return cls(connection)

    @classmethod
    def connecting(cls, context: SSL.Context) -> "Association":
        """The client's side; `feed(b"")` begins the handshake."""
        connection = SSL.Connection(context, None)
        connection.set_connect_state()
        return cls(connection)

    def listen(self, hello: bytes) -> bool:
        """Whether this ClientHello carries our cookie; if not, the reply that asks for it is outgoing, no state kept.

        Raises:
            AssociationEnded: this is no ClientHello; take a fresh association for the next.
        """
        self._connection.bio_write(hello)
        try:
            self._connection.DTLSv1_listen()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            raise AssociationEnded(_reason(error)) from error
        return True

    def feed(self, datagram: bytes) -> list[bytes]:
        """Take a datagram in; the messages that it contained.

        Raises:
            AssociationEnded: the peer closed, or the handshake failed.
        """
        messages: list[bytes] = []
        try:
            if datagram:
                self._connection.bio_write(datagram)
            if not self.established:
                self._connection.do_handshake()
                self.established = True
            while True:
                messages.append(self._connection.recv(_READ_SIZE))
        except SSL.WantReadError:
            return messages
        except SSL.ZeroReturnError as error:
            raise AssociationEnded("the peer closed the DTLS association") from error
        except SSL.Error as error:
            raise AssociationEnded(_reason(error)) from error

    def write(self, message: bytes) -> None:
        """Protect one message.

        Raises:
            AssociationEnded: the association cannot send any more.
        """
        try:
            self._connection.send(message)
        except SSL.Error as error:
            raise AssociationEnded(_reason(error)) from error

    def close(self) -> None:
        """Say goodbye with close_notify."""
        if self.established:
            try:
                self._connection.shutdown()
            except SSL.Error:
                # The association broke before: there is nobody to say goodbye to.
                self.established = False

    def outgoing(self) -> Iterator[bytes]:
        """Datagrams to send, in order: whole records, as many as fit."""
        waiting = b""
        with suppress(SSL.WantReadError):
            while True:
                waiting += self._connection.bio_read(_READ_SIZE)
        start = end = 0
        while end < len(waiting):
            following = end + _RECORD_HEADER + int.from_bytes(waiting[end + 11 : end + 13], "big")
            if following - start > MTU and end > start:
                yield waiting[start:end]
                start = end
            end = following
        if waiting:
            yield waiting[start:]

    def seconds_to_retransmission(self) -> float | None:
        """When to call `retransmit`; None while nothing is waited for."""
        return self._connection.DTLSv1_get_timeout()

    def retransmit(self) -> None:
        """Repeat the last flight when its time has come.

        Raises:
            AssociationEnded: it was repeated often enough.
        """
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            raise AssociationEnded("the peer does not answer the DTLS handshake") from error


def server_context(
    lookup: PskLookup, cookie: Callable[[], bytes], is_cookie: Callable[[bytes], bool]
) -> tuple[SSL.Context, object]:
    """Settings of the server's side, and what has to live as long as they do.

    `cookie` and `is_cookie` make and check the cookie of the peer that sent the hello at hand.
    """

    def find(ssl: Any, identity: Any, room: Any, size: int) -> int:
        association = _openssl.Connection._reverse_mapping[ssl].get_app_data()
        try:
            name = _openssl._ffi.string(identity).decode()
        except UnicodeDecodeError:
            return 0
        key = lookup(name)
        if key is None or len(key) > size:
            return 0
        association.identity, association.key = name, key
        _openssl._ffi.memmove(room, key, len(key))
        return len(key)

    context = _context()
    # A resumed session would skip the key lookup, and with it the identity.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_options(_openssl.OP_COOKIE_EXCHANGE)
    context.set_cookie_generate_callback(lambda _: cookie())
    context.set_cookie_verify_callback(lambda _, given: is_cookie(given))
    callback = _openssl._ffi.callback("unsigned int (*)(SSL *, const char *, unsigned char *, unsigned int)", find)
    _openssl._lib.SSL_CTX_set_psk_server_callback(context._context, callback)
    return context, callback


def client_context(identity: str, key: bytes) -> tuple[SSL.Context, object]:
    """Settings of the client's side, and what has to live as long as they do."""

    def give(_ssl: Any, _hint: Any, identity_room: Any, identity_size: int, key_room: Any, key_size: int) -> int:
        name = identity.encode() + b"\0"
        if len(name) > identity_size or len(key) > key_size:
            return 0
        _openssl._ffi.memmove(identity_room, name, len(name))
        _openssl._ffi.memmove(key_room, key, len(key))
        return len(key)

    context = _context()
    declaration = "unsigned int (*)(SSL *, const char *, char *, unsigned int, unsigned char *, unsigned int)"
    callback = _openssl._ffi.callback(declaration, give)
    _openssl._lib.SSL_CTX_set_psk_client_callback(context._context, callback)
    return context, callback


def is_client_hello(datagram: bytes) -> bool:
    """Whether an unprotected ClientHello begins this datagram."""
    return (
        len(datagram) >= _HELLO_RANDOM.stop
        and datagram[0] == HANDSHAKE
        and datagram[3:5] == b"\0\0"
        and datagram[13] == _CLIENT_HELLO
    )


def hello_random(hello: bytes) -> bytes:
    """What tells one handshake of a client from its next."""
    return hello[_HELLO_RANDOM]


def _context() -> SSL.Context:
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_min_proto_version(_DTLS_1_2)
    context.set_max_proto_version(_DTLS_1_2)
    context.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
    context.set_mode(_openssl.MODE_RELEASE_BUFFERS)
    context.set_cipher_list(SUITES)
    return context


def _reason(error: SSL.Error) -> str:
    texts = [reason for _, _, reason in error.args[0]] if error.args and isinstance(error.args[0], list) else []
    return f"the DTLS association failed: {', '.join(texts) or 'no reason given'}"
