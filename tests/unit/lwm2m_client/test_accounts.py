"""Objects 0 and 1 as a bootstrap server writes them, and the server that comes of it."""

import pytest

from lwm2m.client.bootstrap import Accounts
from lwm2m.client.connection import Psk, ServerAccount
from lwm2m.errors import Refused
from lwm2m.links import format_links
from lwm2m.messages import Code
from lwm2m.nodes import Instance, Object, Resource
from lwm2m.paths import Path
from lwm2m.values import ResourceType, Value

KINDS = {str: ResourceType.STRING, bool: ResourceType.BOOLEAN, int: ResourceType.INTEGER, bytes: ResourceType.OPAQUE}


def instance(number: int, values: dict[int, Value]) -> Instance:
    return Instance(number, tuple(Resource(key, KINDS[type(value)], value) for key, value in values.items()))


OPEN: dict[int, Value] = {0: "coap://server:5683", 1: False, 2: 3, 10: 7}
KEYED: dict[int, Value] = {0: "coaps://server:5684", 1: False, 2: 0, 3: b"me", 5: b"secret", 10: 7}
SERVER: dict[int, Value] = {0: 7, 1: 300, 7: "U"}


def accounts(security: dict[int, Value], server: dict[int, Value] | None) -> Accounts:
    made = Accounts()
    made.write(Path.of(0, 1), instance(1, security))
    if server is not None:
        made.write(Path.of(1, 0), instance(0, server))
    return made


def test_the_two_objects_name_a_server_by_their_short_id() -> None:
    assert accounts(OPEN, SERVER).account() == ServerAccount("coap://server:5683", 300, 7)
    expected = ServerAccount("coaps://server:5684", 300, 7, Psk("me", b"secret"))
    assert accounts(KEYED, SERVER).account() == expected
    assert "secret" not in repr(expected)


@pytest.mark.parametrize(
    ("security", "server"),
    [
        (OPEN, None),
        (OPEN, SERVER | {0: 8}),
        (OPEN | {1: True}, SERVER),  # the bootstrap server itself
        (OPEN | {2: 2}, SERVER),
        ({key: value for key, value in KEYED.items() if key != 5}, SERVER),
        ({key: value for key, value in OPEN.items() if key != 0}, SERVER),
    ],
)
def test_objects_that_lead_to_no_server_refuse_the_finish(
    security: dict[int, Value], server: dict[int, Value] | None
) -> None:
    with pytest.raises(Refused) as refusal:
        accounts(security, server).account()
    assert refusal.value.code == Code.NOT_ACCEPTABLE


def test_an_instance_is_replaced_a_resource_is_added_and_everything_can_be_deleted() -> None:
    made = accounts(OPEN, SERVER)
    made.write(Path.of(1, 0, 1), Resource(1, ResourceType.INTEGER, 60))
    assert made.account().lifetime == 60
    made.write(Path.of(1), Object(1, (instance(0, {0: 7}),)))
    assert made.account().lifetime == 86_400
    assert format_links(made.links()) == "</>;lwm2m=1.1,</0/1>;ssid=7,</1/0>;ssid=7"
    made.delete(Path.of(1, 0))
    assert format_links(made.links()) == "</>;lwm2m=1.1,</0/1>;ssid=7"
    made.delete(Path())
    assert format_links(made.links()) == "</>;lwm2m=1.1"


def test_other_objects_are_not_deleted_and_instances_are_bounded() -> None:
    made = Accounts()
    with pytest.raises(Refused):
        made.delete(Path.of(3, 0))
    for number in range(8):
        made.write(Path.of(0, number), instance(number, OPEN))
    with pytest.raises(Refused):
        made.write(Path.of(0, 8), instance(8, OPEN))
