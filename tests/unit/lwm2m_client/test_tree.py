"""What a server may do to the objects of a device, and the code that answers everything else."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lwm2m.client import ClientResource, ObjectInstance, ObjectTree
from lwm2m.client.standard import Device, device_object, server_object
from lwm2m.errors import Refused
from lwm2m.links import format_links
from lwm2m.messages import Code
from lwm2m.nodes import Instance, MultiResource, Object, Resource, ResourceInstance
from lwm2m.paths import Path
from lwm2m.values import ResourceType


class Board:
    """Records what the server did."""

    def __init__(self) -> None:
        self.calls: list[object] = []
        self.lifetime = 60

    def set_lifetime(self, seconds: int) -> None:
        self.lifetime = seconds

    def update_now(self) -> None:
        self.calls.append("update")

    async def reboot(self) -> None:
        self.calls.append("reboot")


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def tree(board: Board) -> ObjectTree:
    hidden = ClientResource(ResourceType.STRING, read=lambda: "long", observable=False)
    return ObjectTree(
        (
            server_object(lambda: board.lifetime, board.set_lifetime, board.update_now),
            device_object(Device("M", "model", "S1", "T", lambda: "1.0.0+1", board.reboot)),
            ObjectInstance(26241, 0, {0: hidden}),
        )
    )


def test_the_registration_lists_every_instance_and_versions_beyond_1_0(tree: ObjectTree) -> None:
    assert format_links(tree.registration_links()) == (
        '</>;rt="oma.lwm2m";ct="60 110 112 11542",</1>;ver=1.1,</1/0>,</3>;ver=1.2,</3/0>,</26241/0>'
    )


def test_reads_give_resources_instances_objects_and_single_values_of_a_multiple_resource(tree: ObjectTree) -> None:
    assert tree.read(Path.of(3, 0, 3)) == Resource(3, ResourceType.STRING, "1.0.0+1")
    assert tree.read(Path.of(3, 0, 11)) == MultiResource.of(11, ResourceType.INTEGER, {0: 0})
    assert tree.read(Path.of(3, 0, 11, 0)) == ResourceInstance(0, ResourceType.INTEGER, 0)
    instance = tree.read(Path.of(3, 0))
    assert isinstance(instance, Instance)
    assert [resource.id for resource in instance.resources] == [0, 1, 2, 3, 11, 16, 17]
    assert tree.read(Path.of(3)) == Object(3, (instance,))


async def test_a_write_reaches_its_handler_and_a_wrong_value_is_refused(tree: ObjectTree, board: Board) -> None:
    await tree.write(Path.of(1, 0), Instance(0, (Resource(1, ResourceType.INTEGER, 120),)))
    assert board.lifetime == 120
    with pytest.raises(Refused) as caught:
        await tree.write(Path.of(1, 0, 1), Resource(1, ResourceType.INTEGER, 0))
    assert caught.value.code == Code.BAD_REQUEST
    assert board.lifetime == 120


async def test_a_write_that_names_a_read_only_resource_writes_nothing(tree: ObjectTree, board: Board) -> None:
    both = Instance(0, (Resource(1, ResourceType.INTEGER, 99), Resource(0, ResourceType.INTEGER, 5)))
    with pytest.raises(Refused):
        await tree.write(Path.of(1, 0), both)
    assert board.lifetime == 60


async def test_executes_reach_their_handlers(tree: ObjectTree, board: Board) -> None:
    await tree.execute(Path.of(3, 0, 4), b"")
    await tree.execute(Path.of(1, 0, 8), b"")
    assert board.calls == ["reboot", "update"]


Attempt = Callable[[ObjectTree], Awaitable[Any]]


async def reading(tree: ObjectTree, *ids: int) -> None:
    tree.read(Path(ids))


@pytest.mark.parametrize(
    ("attempt", "code"),
    [
        (reading, Code.METHOD_NOT_ALLOWED),
        (lambda tree: reading(tree, 9), Code.NOT_FOUND),
        (lambda tree: reading(tree, 3, 1), Code.NOT_FOUND),
        (lambda tree: reading(tree, 3, 0, 99), Code.NOT_FOUND),
        (lambda tree: reading(tree, 3, 0, 4), Code.METHOD_NOT_ALLOWED),
        (lambda tree: reading(tree, 3, 0, 3, 0), Code.NOT_FOUND),
        (lambda tree: reading(tree, 3, 0, 11, 7), Code.NOT_FOUND),
        (lambda tree: tree.execute(Path.of(3, 0, 3), b""), Code.METHOD_NOT_ALLOWED),
        (lambda tree: tree.execute(Path.of(3, 0), b""), Code.NOT_FOUND),
        (lambda tree: tree.execute(Path.of(3), b""), Code.METHOD_NOT_ALLOWED),
    ],
)
async def test_what_does_not_exist_or_is_not_allowed_has_its_code(
    tree: ObjectTree, attempt: Attempt, code: Code
) -> None:
    with pytest.raises(Refused) as caught:
        await attempt(tree)
    assert caught.value.code == code


def test_discover_shows_attributes_dimensions_and_what_cannot_be_read(tree: ObjectTree) -> None:
    tree.set_attributes(Path.of(3, 0, 3), ["pmin=1", "pmax=60"])
    links = format_links(tree.discover(Path.of(3, 0)))
    assert links.startswith("</3/0>,</3/0/0>")
    assert "</3/0/3>;pmin=1;pmax=60" in links
    assert "</3/0/11>;dim=1" in links
    assert "</3/0/4>" in links
    tree.set_attributes(Path.of(3, 0, 3), ["pmin="])
    assert format_links(tree.discover(Path.of(3, 0, 3))) == "</3/0/3>;pmax=60"


@pytest.mark.parametrize("query", ["colour=red", "pmin=soon", "pmin=1=2"])
def test_a_foreign_attribute_is_refused(tree: ObjectTree, query: str) -> None:
    with pytest.raises(Refused) as caught:
        tree.set_attributes(Path.of(3, 0), [query])
    assert caught.value.code == Code.BAD_REQUEST


def test_a_value_that_outgrows_a_datagram_makes_its_instance_unobservable(tree: ObjectTree) -> None:
    assert tree.observable(Path.of(3))
    assert tree.observable(Path.of(3, 0, 3))
    assert not tree.observable(Path.of(26241, 0))
    assert not tree.observable(Path.of(26241, 0, 0))
