"""Registration requests as real devices send them, and the rules of a registration's life."""

import json
from dataclasses import replace

import pytest

from lwm2m.errors import BadRequest, UnsupportedVersion
from lwm2m.registration import (
    MAX_PARAMETERS,
    Registration,
    Registrations,
    apply_update,
    parse_bootstrap_request,
    parse_register,
    parse_update,
)


def register(*query: str, payload: str = "", content_format: int | None = 40, now: float = 100.0) -> Registration:
    return parse_register(
        query, payload.encode(), content_format, address="127.0.0.1:56830", registration_id="id1", now=now
    )


WAKAAMA = (
    '</>;rt="oma.lwm2m";ct=110,</1>;ver=1.1,</1/0>,</2/0>,</3/0>,</4/0>,</5/0>,</6/0>,'
    "</7/0>,</31024>;ver=1.0,</31024/10>"
)
ANJAY = "</1/1>,</2>,</3/0>,</4/0>,</5/0>,</6/0>,</7/0>,</9/0>,</9/1>,</10>;ver=1.1,</10/0>,</11>,</16>,</33629>"
LESHAN = (
    '</>;rt="oma.lwm2m";ct="60 110 112 11542 11543",</1/0>,</3>;ver=1.2,</3/0>,'
    "</6/0>,</3303>;ver=1.1,</3303/0>,</3442/0>"
)


@pytest.mark.parametrize(
    ("query", "payload", "expected", "instances"),
    [
        (
            ("lwm2m=1.1", "ep=waka1", "b=U", "lt=300"),
            WAKAAMA,
            {"endpoint": "waka1", "lifetime": 300, "lwm2m_version": "1.1", "binding": "U", "queue_mode": False},
            {1: [0], 2: [0], 3: [0], 4: [0], 5: [0], 6: [0], 7: [0], 31024: [10]},
        ),
        (
            ("lwm2m=1.2", "ep=anjay1", "lt=60", "Q"),
            ANJAY,
            {"endpoint": "anjay1", "lifetime": 60, "binding": "U", "queue_mode": True},
            {1: [1], 2: [], 3: [0], 4: [0], 5: [0], 6: [0], 7: [0], 9: [0, 1], 10: [0], 11: [], 16: [], 33629: []},
        ),
        (
            ("b=UT", "lwm2m=1.1", "lt=60", "ep=oscdev"),
            LESHAN,
            {"endpoint": "oscdev", "binding": "UT", "root_path": "/"},
            {1: [0], 3: [0], 6: [0], 3303: [0], 3442: [0]},
        ),
        (
            ("ep=cn1", "lt=86400", "lwm2m=1.0.0", "mac=unknown"),
            "</>;ct=11543;hb,</3/0>,</4/0>,</3303/0>",
            {"lwm2m_version": "1.0.0", "additional": (("mac", "unknown"),)},
            {3: [0], 4: [0], 3303: [0]},
        ),
        (
            ("ep=nl1", "lt=85671", "lwm2m=1.0", "b=UQ"),
            "</3/0>",
            {"lifetime": 85671, "binding": "UQ", "queue_mode": True},
            {3: [0]},
        ),
        (("ep=bare",), "", {"lifetime": 86400, "lwm2m_version": "1.0", "binding": "U"}, {}),
        (("ep=sms", "sms=+4912", "lt=0"), "</a/b>,</3/x>,</70000/1>", {"sms_number": "+4912", "lifetime": 0}, {}),
        (("ep=alt",), '</lwm2m>;rt="oma.lwm2m",</lwm2m/1/0>', {"root_path": "/lwm2m"}, {1: [0]}),
    ],
)
def test_real_devices_can_register(
    query: tuple[str, ...], payload: str, expected: dict[str, object], instances: dict[int, list[int]]
) -> None:
    registration = register(*query, payload=payload, content_format=None if "nl1" in query[0] else 40)
    assert {name: getattr(registration, name) for name in expected} == expected
    assert registration.instances == instances
    assert registration.address == "127.0.0.1:56830"
    assert Registration.from_json(json.loads(json.dumps(registration.to_json()))) == registration


@pytest.mark.parametrize(
    ("query", "payload", "content_format", "words"),
    [
        ((), "", 40, "endpoint name"),
        (("ep=",), "", 40, "endpoint name"),
        (("ep=a\nb",), "", 40, "printable"),
        (("ep=" + "x" * 256,), "", 40, "printable"),
        (("ep=x", "ep=y"), "", 40, "twice"),
        (("ep=x", "lt=-1"), "", 40, "lt=-1"),
        (("ep=x", "lt=99999999999"), "", 40, "seconds"),
        (("ep=x", "b=Z"), "", 40, "b=Z"),
        (("ep=x",), "</1", 40, "link format"),
        (("ep=x",), "</1>", 50, "content format 50"),
        (("ep=x",), "x" * 70_000, 40, "longer"),
        (tuple(f"k{n}=1" for n in range(65)), "", 40, "parameters"),
        (("ep=x",), '<http://evil>;rt="oma.lwm2m"', 40, "absolute path"),
    ],
)
def test_a_bad_register_is_refused_with_its_reason(
    query: tuple[str, ...], payload: str, content_format: int | None, words: str
) -> None:
    with pytest.raises(BadRequest, match=words):
        register(*query, payload=payload, content_format=content_format)


@pytest.mark.parametrize("version", ["0.9", "1.3", "2.0", "1.1.1.1", "x"])
def test_an_unknown_version_is_refused(version: str) -> None:
    with pytest.raises(UnsupportedVersion, match=r"1\.0, 1\.1 and 1\.2"):
        register("ep=x", f"lwm2m={version}")


def test_an_update_changes_what_it_names_and_the_address() -> None:
    store = Registrations([register("ep=a", "lt=60", "x=1", payload="</1/0>")])
    update = parse_update("id1", ["lt=90", "y=2"], b"", None, address="10.0.0.1:7")
    changed = store.update(update, now=150.0)
    assert (changed.lifetime, changed.address, changed.updated_at, changed.registered_at) == (
        90,
        "10.0.0.1:7",
        150,
        100,
    )
    assert (changed.object_links, changed.additional) == ("</1/0>", (("x", "1"), ("y", "2")))
    assert store.by_endpoint("a") is changed
    update = parse_update("id1", ["b=UQ"], b"</5/0>", 40, address="10.0.0.1:7")
    changed = store.update(update, now=151.0)
    assert (changed.binding, changed.queue_mode, changed.instances, changed.lifetime) == ("UQ", True, {5: [0]}, 90)
    assert store.update(parse_update("id2", [], b"", None, address="x"), now=0) is None


def test_a_registration_lives_for_its_lifetime_and_the_grace() -> None:
    store = Registrations([register("ep=a", "lt=60", now=100.0)])
    assert store.expire(164.9, grace=5) == []
    assert [gone.endpoint for gone in store.expire(165.0, grace=5)] == ["a"]
    assert len(store) == 0
    assert store.by_endpoint("a") is None


def test_lifetime_zero_never_expires() -> None:
    store = Registrations([register("ep=a", "lt=0")])
    assert store.expire(1e12, grace=0) == []


def test_one_endpoint_has_one_registration() -> None:
    store = Registrations()
    first = register("ep=a")
    assert store.register(first) is None
    second = Registration("id2", "a", "h:1", 60, 0, 0)
    assert store.register(second) is first
    assert (store.by_id("id1"), store.by_id("id2"), store.all()) == (None, second, [second])
    assert store.remove("id1") is None
    assert store.remove("id2") is second


@pytest.mark.parametrize("data", [{}, {"additional": 1}, {"additional": [], "surprise": 1}])
def test_a_damaged_record_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(BadRequest, match=r"no stored registration|list of pairs"):
        Registration.from_json(data)


def test_versions_are_those_of_the_objects_that_were_announced_with_one() -> None:
    links = '</>;rt="oma.lwm2m",</1>;ver=1.1,</1/0>,</3>;ver="1.2",</5/0>,</9>;ver=x,</10/0>;ver=1.0'
    assert register("ep=x", payload=links).versions == ((1, "1.1"), (3, "1.2"))
    assert register("ep=x", payload='</lw>;rt="oma.lwm2m",</lw/3>;ver=1.2').versions == ((3, "1.2"),)
    assert register("ep=x", payload="</3/0>").versions == ()


def test_a_registration_stored_before_the_transports_is_read_back() -> None:
    stored = register("ep=x", payload="</3/0>").to_json()
    del stored["secure"], stored["identity"]
    assert Registration.from_json(stored) == register("ep=x", payload="</3/0>")


@pytest.mark.parametrize(
    ("address", "udp"),
    [
        ("192.0.2.1:5683", True),
        ("[2001:db8::1]:5683", True),
        ("oscore:0a@192.0.2.1:5683", True),
        ("coap+tcp://192.0.2.1:4000", False),
        ("coaps://dev1@192.0.2.1:4000", False),
    ],
)
def test_only_udp_outlives_the_process(address: str, udp: bool) -> None:
    assert replace(register("ep=x"), address=address).is_udp is udp


def test_an_address_belongs_to_the_device_that_came_from_it_last() -> None:
    first = replace(register("ep=a"), id="1", address="192.0.2.1:1")
    second = replace(register("ep=b"), id="2", address="192.0.2.1:1")
    registrations = Registrations([first, second])
    assert registrations.by_address("192.0.2.1:1") == second
    registrations.register(replace(second, address="192.0.2.1:2"))
    assert registrations.by_address("192.0.2.1:1") is None
    registrations.remove("2")
    assert registrations.by_address("192.0.2.1:2") is None
    assert registrations.all() == [first]


def test_updates_do_not_pile_up_additional_parameters() -> None:
    registration = register("ep=x")
    for round_ in range(10):
        query = [f"{round_}-{number}=v" for number in range(30)]
        registration = apply_update(registration, parse_update("id", query, b"", None, address="a:1"), 0)
    assert len(registration.additional) == MAX_PARAMETERS


@pytest.mark.parametrize(
    ("query", "expected"),
    [(("ep=x",), ("x", None)), (("pct=112", "ep=x"), ("x", 112)), (("ep=x", "unknown=1"), ("x", None))],
)
def test_a_bootstrap_request_has_a_name_and_perhaps_a_format(query: tuple[str, ...], expected: object) -> None:
    assert parse_bootstrap_request(query) == expected


@pytest.mark.parametrize(
    "query", [(), ("ep=",), ("ep=a\nb",), ("ep=x", "pct="), ("ep=x", "pct=-1"), ("ep=x", "pct=123456")]
)
def test_a_bad_bootstrap_request_is_refused(query: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest):
        parse_bootstrap_request(query)
