"""DTLS associations without a socket: the handshake, what breaks it, and the limits of a server."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m.transports.association import (
    MTU,
    Association,
    AssociationEnded,
    client_context,
    hello_random,
    is_client_hello,
    server_context,
)
from lwm2m.transports.limits import SourceRate

KEY = b"sixteen bytes ok"
KEYS = {"dev1": KEY, "gerät 1": KEY, "x" * 128: KEY}
SERVER, _ALIVE = server_context(KEYS.get, lambda: b"cookie", lambda cookie: cookie == b"cookie")


def shake_hands(
    identity: str = "dev1", key: bytes = KEY, suites: bytes | None = None
) -> tuple[Association, Association]:
    """A server's and a client's side, as far as they come."""
    context, _alive = client_context(identity, key)
    if suites is not None:
        context.set_cipher_list(suites)
    server, client = Association.accepting(SERVER), Association.connecting(context)
    client.feed(b"")
    (hello,) = client.outgoing()
    assert is_client_hello(hello)
    assert not server.listen(hello)
    for datagram in server.outgoing():
        client.feed(datagram)
    (again,) = client.outgoing()
    assert hello_random(again) == hello_random(hello)
    assert server.listen(again)
    server.feed(b"")
    for _ in range(3):
        for datagram in server.outgoing():
            client.feed(datagram)
        for datagram in client.outgoing():
            server.feed(datagram)
    return server, client


@pytest.fixture(scope="module")
def pair() -> tuple[Association, Association]:
    return shake_hands()


@pytest.mark.parametrize("identity", KEYS)
def test_the_server_knows_who_it_is(identity: str) -> None:
    server, client = shake_hands(identity)
    assert (server.established, client.established) == (True, True)
    assert (server.identity, server.key) == (identity, KEY)


@pytest.mark.parametrize(
    "suite", ["PSK-AES128-CCM8", "PSK-AES128-CBC-SHA256", "PSK-AES128-GCM-SHA256", "PSK-AES128-CCM"]
)
def test_each_suite_of_lwm2m_works(suite: str) -> None:
    server, client = shake_hands(suites=f"{suite}:@SECLEVEL=0".encode())
    assert client._connection.get_cipher_name() == suite
    client.write(b"hello")
    assert [server.feed(datagram) for datagram in client.outgoing()] == [[b"hello"]]


@pytest.mark.parametrize("suite", ["PSK-NULL-SHA256", "AECDH-NULL-SHA"])
def test_a_suite_without_encryption_is_refused(suite: str) -> None:
    with pytest.raises(AssociationEnded):
        shake_hands(suites=f"{suite}:@SECLEVEL=0".encode())


def test_an_unknown_identity_ends_the_handshake() -> None:
    with pytest.raises(AssociationEnded, match="psk identity not found"):
        shake_hands("nobody")


def test_a_wrong_key_never_gets_there() -> None:
    server, client = shake_hands(key=b"wrong")
    assert (server.established, client.established) == (False, False)


@pytest.mark.parametrize("size", [1, 1100, 16384])
def test_a_message_is_one_datagram(pair: tuple[Association, Association], size: int) -> None:
    server, client = pair
    server.write(bytes(size))
    (datagram,) = server.outgoing()
    assert client.feed(datagram) == [bytes(size)]
    assert client.feed(datagram) == []  # a replay


def test_flights_fit_the_path() -> None:
    context, _alive = client_context("dev1", KEY)
    client = Association.connecting(context)
    client.feed(b"")
    assert all(len(datagram) <= MTU for datagram in client.outgoing())


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=200), st.sampled_from([b"", b"\x17\xfe\xfd\0\x01", b"\x16\xfe\xfd\0\0", b"\x15"]))
def test_garbage_neither_ends_an_association_nor_gets_through(
    pair: tuple[Association, Association], garbage: bytes, start: bytes
) -> None:
    server, client = pair
    assert server.feed(start + garbage) == []
    client.write(b"still here")
    assert [server.feed(datagram) for datagram in client.outgoing()] == [[b"still here"]]


def test_a_changed_message_is_dropped(pair: tuple[Association, Association]) -> None:
    server, client = pair
    client.write(b"pay 1")
    (datagram,) = client.outgoing()
    assert server.feed(datagram[:-1] + bytes([datagram[-1] ^ 1])) == []


def test_a_source_gets_its_hellos_back_with_time() -> None:
    rate = SourceRate(2.0, 3)
    assert [rate.allows("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert rate.allows("b", 0.0)
    assert [rate.allows("a", 1.0) for _ in range(3)] == [True, True, False]
    assert [rate.allows("a", 100.0) for _ in range(4)] == [True, True, True, False]


def test_sources_that_are_remembered_are_bounded() -> None:
    rate = SourceRate(0.0, 1)
    for number in range(5000):
        assert rate.allows(str(number), 0.0)
    assert len(rate._buckets) == 4096
    assert not rate.allows("4999", 0.0)
