"""What real clients were seen to send: registrations as recorded, payloads recorded or made of recorded pieces."""

import pytest

from lwm2m.answers import content_response, links_response
from lwm2m.codecs import decode, decode_nodes, decode_timestamped, encode_nodes, select
from lwm2m.messages import Code, Reply
from lwm2m.nodes import Instance, MultiResource, Node, Object, Resource, ResourceInstance
from lwm2m.objects import STANDARD
from lwm2m.paths import Path
from lwm2m.registration import Registration, parse_register
from lwm2m.values import ObjectLink, ResourceType

STRING, INTEGER, OBJLNK, TIME = ResourceType.STRING, ResourceType.INTEGER, ResourceType.OBJLNK, ResourceType.TIME


def register(query: tuple[str, ...], payload: str, content_format: int | None = 40) -> Registration:
    return parse_register(
        query, payload.encode(), content_format, address="127.0.0.1:56830", registration_id="VDXjmu79Zi", now=0.0
    )


def read(path: str, payload: bytes, content_format: int) -> Node:
    return decode(Path.parse(path), payload, content_format)


# Wakaama


def test_wakaama_registers() -> None:
    registration = register(
        ("lwm2m=1.1", "ep=waka1", "b=U", "lt=300"),
        '</>;rt="oma.lwm2m";ct=110,</1>;ver=1.1,</1/0>,</2/0>,</3/0>,</4/0>,</5/0>,</6/0>,</7/0>,'
        "</31024>;ver=1.0,</31024/10>",
    )
    assert (registration.endpoint, registration.lwm2m_version, registration.lifetime) == ("waka1", "1.1", 300)
    assert (registration.binding, registration.queue_mode, registration.root_path) == ("U", False, "/")
    assert registration.instances == {1: [0], 2: [0], 3: [0], 4: [0], 5: [0], 6: [0], 7: [0], 31024: [10]}
    root, server = registration.links[:2]
    assert root.attributes == (("rt", '"oma.lwm2m"'), ("ct", "110"))
    assert server.attributes == (("ver", "1.1"),)


@pytest.mark.parametrize("content_format", [11542, 1542])
@pytest.mark.parametrize(
    ("path", "payload", "node"),
    [
        ("/3/0/0", b"\xc8\x00\x14Open Mobile Alliance", Resource(0, STRING, "Open Mobile Alliance")),
        ("/5/0/3", b"\xc1\x03\x01", Resource(3, INTEGER, 1)),
        ("/3/0/6", b"\x86\x06\x41\x00\x01\x41\x01\x05", MultiResource.of(6, INTEGER, {0: 1, 1: 5})),
        ("/3/0/16", b"\xc2\x10UQ", Resource(16, STRING, "UQ")),
        ("/3/0/17", b"\xc0\x11", Resource(17, STRING, "")),
    ],
)
def test_wakaama_answers_in_tlv_under_the_new_and_the_old_number(
    path: str, payload: bytes, node: Node, content_format: int
) -> None:
    assert read(path, payload, content_format) == node


def test_wakaama_answers_an_instance_in_tlv() -> None:
    payload = b"\xc8\x00\x14Open Mobile Alliance" + b"\x86\x06\x41\x00\x01\x41\x01\x05" + b"\xc2\x10UQ" + b"\xc0\x11"
    assert read("/3/0", payload, 11542) == Instance(
        0,
        (
            Resource(0, STRING, "Open Mobile Alliance"),
            MultiResource.of(6, INTEGER, {0: 1, 1: 5}),
            Resource(16, STRING, "UQ"),
            Resource(17, STRING, ""),
        ),
    )


def test_wakaama_ends_its_senml_base_name_with_a_slash() -> None:
    assert read("/1/0", b'[{"bn":"/1/0/","n":"0","v":1},{"n":"1","v":300}]', 110) == Instance(
        0, (Resource(0, INTEGER, 1), Resource(1, INTEGER, 300))
    )


# Anjay


ANJAY_OBJECTS = (
    "</1/1>,</2>,</3/0>,</4/0>,</5/0>,</6/0>,</7/0>,</9/0>,</9/1>,</10>;ver=1.1,</10/0>,</11>,</16>,</33629>"
)


@pytest.mark.parametrize(
    ("query", "binding", "queue_mode"),
    [
        (("lwm2m=1.2", "ep=anjay1", "lt=60"), "U", False),
        (("lwm2m=1.2", "ep=anjay1", "lt=60", "Q"), "U", True),
        (("lwm2m=1.2", "ep=anjay1", "lt=60", "b=T"), "T", False),
    ],
    ids=["udp", "queue-mode", "tcp"],
)
def test_anjay_registers(query: tuple[str, ...], binding: str, *, queue_mode: bool) -> None:
    registration = register(query, ANJAY_OBJECTS)
    assert (registration.endpoint, registration.lwm2m_version, registration.lifetime) == ("anjay1", "1.2", 60)
    assert (registration.binding, registration.queue_mode) == (binding, queue_mode)
    assert registration.instances[1] == [1]
    assert registration.instances[2] == []
    assert registration.instances[9] == [0, 1]
    assert registration.instances[33629] == []


def test_anjay_answers_a_resource_in_text_when_nobody_asked_for_a_format() -> None:
    assert read("/3/0/0", b"Anjay", 0) == Resource(0, STRING, "Anjay")
    assert read("/5/0/3", b"0", 0) == Resource(3, INTEGER, 0)
    assert read("/1/1/6", b"1", 0) == Resource(6, ResourceType.BOOLEAN, value=True)
    assert read("/3/0/22/0", b"33606:0", 0) == ResourceInstance(0, OBJLNK, ObjectLink(33606, 0))
    assert read("/33606/0/1", b"AAEC", 0) == Resource(1, STRING, "AAEC")  # opaque, but no model says so
    assert read("/5/0/0", b"AAEC", 0) == Resource(0, ResourceType.OPAQUE, b"\x00\x01\x02")


def test_anjay_answers_an_instance_in_senml_cbor_with_the_slash_in_the_name() -> None:
    # [{-2: "/3/0", 0: "/0", 3: "Anjay"}, {0: "/6/0", 2: 0}, {0: "/22/0", "vlo": "33606:0"}]
    payload = bytes.fromhex(
        "83" "a3 21 64 2f332f30 00 62 2f30 03 65 416e6a6179" "a2 00 64 2f362f30 02 00"
        "a2 00 65 2f32322f30 63 766c6f 67 33333630363a30"
    )  # fmt: skip
    assert read("/3/0", payload, 112) == Instance(
        0,
        (
            Resource(0, STRING, "Anjay"),
            MultiResource.of(6, INTEGER, {0: 0}),
            MultiResource.of(22, OBJLNK, {0: ObjectLink(33606, 0)}),
        ),
    )


def test_anjay_answers_in_nested_indefinite_maps_of_lwm2m_cbor() -> None:
    # {_ 3: {_ 0: {_ 0: "Anjay", 6: {_ 0: 0}, 22: {_ 0: "33606:0"}}}}
    payload = bytes.fromhex("bf03bf00bf00 65416e6a6179 06bf0000ff 16bf00 6733333630363a30 ff ff ff ff")
    node = Instance(
        0,
        (
            Resource(0, STRING, "Anjay"),
            MultiResource.of(6, INTEGER, {0: 0}),
            MultiResource.of(22, OBJLNK, {0: ObjectLink(33606, 0)}),
        ),
    )
    assert read("/3/0", payload, 11544) == node
    assert read("/3", payload, 11544) == Object(3, (node,))


def test_anjay_puts_a_path_prefix_into_an_array_key_of_lwm2m_cbor() -> None:
    # {_ [3, 0]: {_ 0: "Anjay"}}
    payload = bytes.fromhex("bf 820300 bf00 65416e6a6179 ff ff")
    assert read("/3/0", payload, 11544) == Instance(0, (Resource(0, STRING, "Anjay"),))


def test_anjay_leaves_missing_paths_out_of_a_composite_answer() -> None:
    nodes = decode_nodes(b'[{"n":"/3/0/0","vs":"Anjay"},{"n":"/5/0/3","v":0}]', 110)
    asked = [Path.of(3, 0, 0), Path.of(5, 0, 3), Path.of(3, 0, 9)]
    assert select(nodes, asked) == {
        asked[0]: Resource(0, STRING, "Anjay"),
        asked[1]: Resource(3, INTEGER, 0),
        asked[2]: None,
    }


def test_anjay_dates_what_it_sends() -> None:
    assert decode_timestamped(b'[{"bn":"/3/0/0","bt":1795225130,"vs":"Anjay"},{"bn":"/5/0/3","v":0}]', 110) == (
        (
            1795225130,
            {Path.of(3, 0, 0): Resource(0, STRING, "Anjay"), Path.of(5, 0, 3): Resource(3, INTEGER, 0)},
        ),
    )


def test_anjay_is_bootstrapped_in_senml_cbor() -> None:
    account: dict[Path, Node] = {
        Path.of(0, 1): Instance(1, (Resource(0, STRING, "coap://127.0.0.1:5683"), Resource(10, INTEGER, 1))),
        Path.of(1, 0): Instance(0, (Resource(0, INTEGER, 1), Resource(1, INTEGER, 60))),
    }
    assert select(decode_nodes(encode_nodes(account, 112), 112), account) == account


# Leshan's client


def test_leshan_client_registers() -> None:
    registration = register(
        ("b=UT", "lwm2m=1.1", "lt=60", "ep=oscdev"),
        '</>;rt="oma.lwm2m";ct="60 110 112 11542 11543",</1/0>,</3>;ver=1.2,</3/0>,</6/0>,'
        "</3303>;ver=1.1,</3303/0>,</3442/0>",
    )
    assert (registration.endpoint, registration.binding, registration.lifetime) == ("oscdev", "UT", 60)
    assert registration.instances == {1: [0], 3: [0], 6: [0], 3303: [0], 3442: [0]}
    assert registration.links[0].attribute("ct") == "60 110 112 11542 11543"
    assert dict(registration.versions) == {3: "1.2", 3303: "1.1"}


def test_leshan_client_answers_in_tlv_when_nobody_asked_for_a_format() -> None:
    assert read("/3/0/16", b"\xc2\x10UQ", 11542) == Resource(16, STRING, "UQ")
    # 5700 has a 16-bit identifier and eight bytes of float
    payload = b"\xe8\x16\x44\x08\x40\x34\x80\x00\x00\x00\x00\x00"
    assert read("/3303/0/5700", payload, 11542) == Resource(5700, ResourceType.FLOAT, 20.5)


# coap-node


def test_coap_node_registers() -> None:
    registration = register(
        ("ep=cn1", "lt=86400", "lwm2m=1.0.0", "mac=unknown"), "</>;ct=11543;hb,</3/0>,</4/0>,</3303/0>"
    )
    assert (registration.endpoint, registration.lwm2m_version, registration.lifetime) == ("cn1", "1.0.0", 86400)
    assert (registration.binding, registration.additional) == ("U", (("mac", "unknown"),))
    assert registration.instances == {3: [0], 4: [0], 3303: [0]}
    assert registration.links[0].attributes == (("ct", "11543"), ("hb", None))


def test_coap_node_was_heard_to_announce_its_accounts_after_a_bootstrap() -> None:
    registration = register(
        ("ep=bs1", "lt=300", "lwm2m=1.0.0", "mac=02:fc:00:00:00:01"),
        "</>;ct=11543;hb,</0/1>,</1/0>,</3/0>,</4/0>,</3303/0>",
    )
    assert registration.instances == {0: [1], 1: [0], 3: [0], 4: [0], 3303: [0]}
    assert registration.additional == (("mac", "02:fc:00:00:00:01"),)


def test_coap_node_wraps_an_instance_in_its_own_entry() -> None:
    content = b"\xc8\x00\x14Open Mobile Alliance\xc2\x10UQ"
    payload = b"\x08\x00" + bytes([len(content)]) + content
    assert read("/3/0", payload, 11542) == Instance(
        0, (Resource(0, STRING, "Open Mobile Alliance"), Resource(16, STRING, "UQ"))
    )


def test_coap_node_speaks_lwm2m_json() -> None:
    assert read("/3/0", b'{"bn":"/3/0","e":[{"n":"0","sv":"sivann"},{"n":"1","sv":"cnode-01"}]}', 11543) == Instance(
        0, (Resource(0, STRING, "sivann"), Resource(1, STRING, "cnode-01"))
    )


def test_coap_node_was_heard_to_answer_an_instance_and_a_resource_in_tlv() -> None:
    device = read(
        "/3/0",
        bytes.fromhex(
            "080039c600736976616e6ec80108636e6f64652d3031c602632d30303030c303312e30"
            "c71167656e65726963c312312e30c313312e30c10600c10764"
        ),
        11542,
    )
    assert isinstance(device, Instance)
    assert {each.id: getattr(each, "value", None) for each in device.resources if each.id not in (6, 7)} == {
        0: "sivann",
        1: "cnode-01",
        2: "c-0000",
        3: "1.0",
        17: "generic",
        18: "1.0",
        19: "1.0",
    }
    thermometer = read(
        "/3303/0",
        bytes.fromhex(
            "08002ee7164674696d65737472e816470c5f756e7265616461626c655fe616485f657865635fe4164441ac0000e1164543"
        ),
        11542,
    )
    assert isinstance(thermometer, Instance)
    assert [each.id for each in thermometer.resources] == [5702, 5703, 5704, 5700, 5701]
    assert thermometer[5700] == Resource(5700, ResourceType.FLOAT, 21.5)
    assert thermometer[5701] == Resource(5701, STRING, "C")
    assert read("/3303/0/5700", bytes.fromhex("e4164441ac0000"), 11542) == thermometer[5700]


def test_coap_node_was_heard_to_notify_only_what_changed_of_an_instance() -> None:
    changed = Instance(0, (Resource(5700, ResourceType.FLOAT, 32.25),))
    assert read("/3303/0", bytes.fromhex("0700e4164442010000"), 11542) == changed


def test_coap_node_was_heard_to_answer_in_lwm2m_json_with_what_cannot_be_read_in_words() -> None:
    payload = (
        b'{"bn":"/3303/0","e":[{"n":"5702","sv":"timestr"},{"n":"5703","sv":"_unreadable_"},{"n":"5704","sv":"_exec_"},'
        b'{"n":"5700","v":21.5},{"n":"5701","sv":"C"}]}'
    )
    thermometer = read("/3303/0", payload, 11543)
    assert isinstance(thermometer, Instance)
    assert thermometer[5700] == Resource(5700, ResourceType.FLOAT, 21.5)
    assert {each.id for each in thermometer.resources} == {5700, 5701, 5702, 5703, 5704}


def test_coap_node_was_heard_to_discover_with_attributes_on_the_instance() -> None:
    payload = b"</3303/0>;pmin=0;pmax=60,</3303/0/5702>,</3303/0/5703>,</3303/0/5704>,</3303/0/5700>,</3303/0/5701>"
    links = links_response(Reply(Code.CONTENT, payload, 40)).links
    assert links[0].url == "/3303/0"
    assert links[0].attributes == (("pmin", "0"), ("pmax", "60"))
    assert [link.url for link in links[1:]] == [f"/3303/0/{number}" for number in (5702, 5703, 5704, 5700, 5701)]


# lwm2m-node-lib


def test_lwm2m_node_lib_was_heard_to_answer_without_a_content_format() -> None:
    path = Path.parse("/3303/0/5700")
    for payload, value in ((b"21", 21.0), (b"31", 31.0)):
        answer = content_response(path, Reply(Code.CONTENT, payload), STANDARD)
        assert answer.content == Resource(5700, ResourceType.FLOAT, value)
    links = links_response(Reply(Code.CONTENT, b"</3303/0>,</3303/0/5700>,</3303/0/5701>")).links
    assert [link.url for link in links] == ["/3303/0", "/3303/0/5700", "/3303/0/5701"]


def test_lwm2m_node_lib_registers_without_a_content_format() -> None:
    registration = register(("ep=nl1", "lt=85671", "lwm2m=1.0", "b=U"), "</3/0>", None)
    assert (registration.endpoint, registration.lifetime, registration.lwm2m_version) == ("nl1", 85671, "1.0")
    assert (registration.binding, registration.instances, registration.root_path) == ("U", {3: [0]}, "/")


@pytest.mark.parametrize(
    ("path", "content_format", "payload", "node"),
    [
        ("/3/0/0", 1541, b"Open Mobile Alliance", Resource(0, STRING, "Open Mobile Alliance")),
        ("/3/0/13", 1541, b"1795225130", Resource(13, TIME, 1795225130)),
        ("/3/0/16", 1542, b"\xc2\x10UQ", Resource(16, STRING, "UQ")),
        ("/3/0/0", 1543, b'{"e":[{"n":"","sv":"Open"}]}', Resource(0, STRING, "Open")),
        ("/5/0/0", 1544, b"\x00\x01", Resource(0, ResourceType.OPAQUE, b"\x00\x01")),
    ],
)
def test_lwm2m_node_lib_uses_the_numbers_from_before_the_registry(
    path: str, content_format: int, payload: bytes, node: Node
) -> None:
    assert read(path, payload, content_format) == node


# what several of them leave out


def test_a_client_may_leave_out_everything_but_its_name() -> None:
    registration = register(("ep=bare",), "", None)
    assert (registration.lifetime, registration.binding, registration.lwm2m_version) == (86400, "U", "1.0")
    assert registration.instances == {}


def test_a_client_of_lwm2m_1_0_puts_queue_mode_into_its_binding() -> None:
    assert register(("ep=old", "lwm2m=1.0", "b=UQ"), "</3/0>").queue_mode


def test_a_client_may_stand_behind_an_alternate_path() -> None:
    registration = register(("ep=alt",), '</lwm2m>;rt="oma.lwm2m",</lwm2m/1/0>,</lwm2m/3/0>')
    assert (registration.root_path, registration.instances) == ("/lwm2m", {1: [0], 3: [0]})
