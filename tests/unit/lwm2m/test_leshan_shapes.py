"""Leshan's JSON of configurations, credentials and events, piece by piece."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m.bootstrap_store import BootstrapConfig
from lwm2m.errors import BadRequest, Lwm2mError
from lwm2m.events import CompositeNotification, Sample, Sent
from lwm2m.leshan_coaplog import coaplog_json
from lwm2m.leshan_config import config_json, parse_config
from lwm2m.leshan_events import encode_event
from lwm2m.leshan_json import registration_json
from lwm2m.leshan_security import credential_json, parse_security
from lwm2m.leshan_sse import frame
from lwm2m.messages import TracedMessage
from lwm2m.nodes import Instance, Resource
from lwm2m.paths import Path
from lwm2m.registration import Registration
from lwm2m.security import OscoreCredential, PskCredential
from lwm2m.server import Lwm2mServer
from lwm2m.values import ObjectLink, ResourceType

T = ResourceType
VALUE = Resource(3, T.STRING, "1")
NODE = '{"kind":"singleResource","id":3,"type":"STRING","value":"1"}'
PATH = Path.of(3, 0, 3)


def test_an_event_on_the_wire_has_crlf_and_an_empty_line() -> None:
    assert frame("AWAKE", {"ep": "x"}) == b'event: AWAKE\r\ndata: {"ep":"x"}\r\n\r\n'


def test_a_send_tells_the_most_recent_values_only() -> None:
    server = Lwm2mServer(port=0)
    old, new = Sample(1.0, {Path.of(1, 0, 1): Resource(1, T.INTEGER, 9)}), Sample(2.0, {PATH: VALUE})
    now = Sample(None, {PATH: VALUE})
    expected = f'event: SEND\r\ndata: {{"ep":"x","val":{{"/3/0/3":{NODE}}}}}\r\n\r\n'.encode()
    for samples in ((old, new), (new, old), (old, now)):
        assert encode_event(Sent("x", samples), server) == ("x", expected)


def test_a_composite_notification_tells_values_and_paths() -> None:
    event = CompositeNotification("x", (PATH, Path.of(9)), {PATH: VALUE})
    told = f'{{"ep":"x","kind":"composite","val":{{"/3/0/3":{NODE}}},"paths":["/3/0/3","/9"]}}'
    expected = f"event: NOTIFICATION\r\ndata: {told}\r\n\r\n".encode()
    assert encode_event(event, Lwm2mServer(port=0)) == ("x", expected)


def test_secure_means_tls_and_an_address_has_no_scheme() -> None:
    over_tls = Registration("i", "x", "coaps://127.0.0.1:5", 1, 0, 0, secure=True, identity="x")
    told = registration_json(over_tls, asleep=False)
    assert (told["secure"], told["address"]) == (True, "127.0.0.1:5")
    over_oscore = Registration("i", "x", "127.0.0.1:5", 1, 0, 0, secure=True, identity="oscore:01")
    assert registration_json(over_oscore, asleep=False)["secure"] is False
    assert "sleeping" not in told


def test_a_bootstrap_configuration_stands_for_instances() -> None:
    config = parse_config(
        {
            "servers": {"0": {"shortId": 123, "lifetime": 300, "binding": ["U", "Q"], "trigger": None, "unknown": 1}},
            "security": {
                "0": {"uri": "coaps://bs", "bootstrapServer": True, "securityMode": "PSK", "secretKey": [-1, 0, 255]},
                "1": {"uri": "coap://dm", "securityMode": "NO_SEC", "oscoreSecurityMode": 0},
            },
            "oscore": {"0": {"oscoreMasterSecret": [1, 2], "oscoreAeadAlgorithm": 10}},
            "toDelete": ["/0", "/1"],
        }
    )
    assert config.deletes == (Path.of(0), Path.of(1))
    assert config.writes == {
        Path.of(0, 0): Instance(
            0,
            (
                Resource(0, T.STRING, "coaps://bs"),
                Resource(1, T.BOOLEAN, value=True),
                Resource(2, T.INTEGER, 0),
                Resource(5, T.OPAQUE, b"\xff\x00\xff"),
            ),
        ),
        Path.of(0, 1): Instance(
            1,
            (
                Resource(0, T.STRING, "coap://dm"),
                Resource(2, T.INTEGER, 3),
                Resource(17, T.OBJLNK, ObjectLink(21, 0)),
            ),
        ),
        Path.of(1, 0): Instance(
            0, (Resource(0, T.INTEGER, 123), Resource(1, T.INTEGER, 300), Resource(7, T.STRING, "UQ"))
        ),
        Path.of(21, 0): Instance(0, (Resource(0, T.OPAQUE, b"\1\2"), Resource(3, T.INTEGER, 10))),
    }
    assert parse_config(config_json(config)) == config


def test_values_that_leshan_has_no_word_for_are_told_as_they_are() -> None:
    config = BootstrapConfig({Path.of(0, 0): Instance(0, (Resource(2, T.INTEGER, 77),))})
    assert config_json(config)["security"] == {"0": {"securityMode": 77}}


@pytest.mark.parametrize(
    "config",
    [
        [],
        {"security": {"0": {"uri": "coap://x"}}},
        {"security": {"0": {"uri": "coap://x", "securityMode": "NONE"}}},
        {"security": {"x": {}}},
        {"servers": {"0": {}}},
        {"servers": {"0": {"shortId": "one"}}},
        {"toDelete": "/0"},
        {"toDelete": ["/x"]},
        {"oscore": {"0": {"oscoreMasterSecret": [256]}}},
        {"oscore": {"0": {"oscoreMasterSecret": "00"}}},
    ],
)
def test_what_is_no_configuration_is_refused(config: Any) -> None:
    with pytest.raises(Lwm2mError):
        parse_config(config)


@pytest.mark.parametrize(
    "credential", [PskCredential("id", b"\1\2"), OscoreCredential(b"\1", b"\2", bytes(16), b"salt")]
)
def test_a_credential_survives_the_way_through_leshans_json(credential: Any) -> None:
    assert parse_security(credential_json("x", credential)) == ("x", credential)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["endpoint", "tls", "mode", "details", "key", "oscore", "servers", "security", "0", "uri"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=10,
    )
)
@settings(max_examples=150, deadline=None)
def test_any_json_is_understood_or_an_error_of_ours(data: Any) -> None:
    for parse in (parse_security, parse_config):
        try:
            parse(data)
        except Lwm2mError:
            continue


def test_an_endpoint_without_credentials_is_refused() -> None:
    with pytest.raises(BadRequest, match="tls or oscore"):
        parse_security({"endpoint": "x"})


def coap_message(**more: Any) -> TracedMessage:
    fields: dict[str, Any] = {
        "at": 1.5,
        "incoming": True,
        "kind": "ACK",
        "code": 0,
        "message_id": 7,
        "token": b"",
        **more,
    }
    return TracedMessage(**{"options": (), "payload": b"", **fields})


def test_an_empty_message_has_no_code_and_one_over_tcp_no_type() -> None:
    empty = {"timestamp": 1500, "incoming": True, "type": "ACK", "mId": 7, "token": "", "ep": "x"}
    assert coaplog_json("x", coap_message()) == empty
    over_tcp = coaplog_json("x", coap_message(kind=None, message_id=None, token=b"\x0a\xbc"))
    assert over_tcp == {"timestamp": 1500, "incoming": True, "mId": -1, "token": "0ABC", "ep": "x"}


@pytest.mark.parametrize(
    ("code", "text"),
    [(1, "GET"), (5, "FETCH"), (7, "IPATCH"), (8, "0.08"), (0x45, "2.05"), (0xA0, "5.00"), (0xE1, "7.01")],
)
def test_a_code_is_a_method_or_a_class_with_a_number(code: int, text: str) -> None:
    assert coaplog_json("x", coap_message(code=code))["code"] == text


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"lt=60", "lt=60"),
        (b"\xc1\x03\x01", "Hex:c10301"),
        ("\u00e9".encode(), "Hex:c3a9"),
        (b"a\nb", "Hex:610a62"),
        (b"a" * 2048, "a" * 2048),
        (b"a" * 4096, "a" * 2048 + "... and 2048 bytes"),
        (b"\0" * 131_072, "Hex:" + "00" * 2048 + "... and 129024 bytes"),
    ],
)
def test_a_payload_is_text_where_it_can_be_and_never_long(payload: bytes, text: str) -> None:
    assert coaplog_json("x", coap_message(payload=payload))["payload"] == text


def test_options_of_one_name_stand_together() -> None:
    options = (("Uri-Path", '"3"'), ("Uri-Path", '"0"'), ("Observe", "0"))
    assert coaplog_json("x", coap_message(options=options))["options"] == 'Uri-Path: "3", "0" - Observe: 0'
