"""Peers as strings and as their parts."""

import pytest

from lwm2m.peers import Peer, from_sockaddr, is_dtls, parse_peer, socket_address, to_sockaddr


@pytest.mark.parametrize(
    ("text", "peer", "address"),
    [
        ("192.0.2.1:5683", Peer("coap", "192.0.2.1", 5683), "192.0.2.1:5683"),
        ("[2001:db8::1]:5683", Peer("coap", "2001:db8::1", 5683), "[2001:db8::1]:5683"),
        ("[fe80::1%3]:5683", Peer("coap", "fe80::1%3", 5683), "[fe80::1%3]:5683"),
        ("coap+tcp://192.0.2.1:40000", Peer("coap+tcp", "192.0.2.1", 40000), "192.0.2.1:40000"),
        ("coaps://dev1@192.0.2.1:40000", Peer("coaps", "192.0.2.1", 40000, "dev1"), "192.0.2.1:40000"),
        ("coaps://a%40b%3A%2F%20c@[::1]:1", Peer("coaps", "::1", 1, "a@b:/ c"), "[::1]:1"),
        ("oscore:0a1b@192.0.2.1:1", Peer("coap", "192.0.2.1", 1, oscore=b"\x0a\x1b"), "192.0.2.1:1"),
        ("oscore:@coap+tcp://192.0.2.1:1", Peer("coap+tcp", "192.0.2.1", 1, oscore=b""), "192.0.2.1:1"),
    ],
)
def test_a_peer_is_read_and_written(text: str, peer: Peer, address: str) -> None:
    assert parse_peer(text) == peer
    assert str(peer) == text
    assert socket_address(text) == address
    assert is_dtls(text) == text.startswith("coaps:")


@pytest.mark.parametrize(
    "text", ["", "192.0.2.1", "host:1", "http://192.0.2.1:1", "oscore:zz@192.0.2.1:1", "1.2.3.4:x"]
)
def test_what_is_no_peer_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each part has a text of its own
        parse_peer(text)


@pytest.mark.parametrize(
    ("sockaddr", "text", "mapped"),
    [
        (("192.0.2.1", 1), "192.0.2.1:1", ("::ffff:192.0.2.1", 1, 0, 0)),
        (("::ffff:192.0.2.1", 1, 0, 0), "192.0.2.1:1", ("::ffff:192.0.2.1", 1, 0, 0)),
        (("fe80::1%eth0", 1, 0, 3), "[fe80::1%3]:1", ("fe80::1", 1, 0, 3)),
        (("2001:db8::1", 1, 0, 0), "[2001:db8::1]:1", ("2001:db8::1", 1, 0, 0)),
    ],
)
def test_a_socket_address_becomes_a_peer_and_comes_back(
    sockaddr: tuple[object, ...], text: str, mapped: tuple[object, ...]
) -> None:
    peer = from_sockaddr("coap", sockaddr)
    assert str(peer) == text
    assert to_sockaddr(peer, mapped=True) == mapped


def test_on_an_ipv4_socket_addresses_stay_as_they_are() -> None:
    assert to_sockaddr(parse_peer("192.0.2.1:1"), mapped=False) == ("192.0.2.1", 1)
