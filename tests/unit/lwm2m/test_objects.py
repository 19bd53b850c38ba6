"""Object models: what is known of the standard objects, in which versions, and how a registry finds it."""

import pytest

from lwm2m.codecs import decode, decode_nodes, select
from lwm2m.nodes import Instance, Resource
from lwm2m.objects import STANDARD, ObjectRegistry, Operations, find_object, find_resource, implied_version
from lwm2m.objects.model import ObjectModel, object_model, standard_urn
from lwm2m.paths import Path
from lwm2m.values import ResourceType


def model(number: int, version: str | None = None) -> ObjectModel:
    found = find_object(number, version)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("number", "name", "version", "multiple", "mandatory"),
    [
        (0, "LWM2M Security", "1.2", True, True),
        (1, "LwM2M Server", "1.1", True, True),
        (2, "LwM2M Access Control", "1.1", True, False),
        (3, "Device", "1.2", False, True),
        (4, "Connectivity Monitoring", "1.3", False, False),
        (5, "Firmware Update", "1.2", False, False),
        (6, "Location", "1.0", False, False),
        (7, "Connectivity Statistics", "1.0", False, False),
        (9, "LWM2M Software Management", "1.0", True, False),
        (10, "LWM2M Cellular Connectivity", "1.1", False, False),
        (16, "Portfolio", "1.0", True, False),
        (19, "BinaryAppDataContainer", "1.0", True, False),
        (21, "LWM2M OSCORE", "2.0", True, False),
        (3300, "Generic Sensor", "1.1", True, False),
        (3303, "Temperature", "1.1", True, False),
        (3342, "On/Off switch", "1.0", True, False),
        (26241, "TinyMLaaS board", "1.0", False, False),
        (26242, "TinyMLaaS inference", "1.0", False, False),
        (26243, "TinyMLaaS training", "1.0", False, False),
        (33629, "Advanced Firmware Update", "1.0", True, False),
    ],
)
def test_a_standard_object_is_known(number: int, name: str, version: str, *, multiple: bool, mandatory: bool) -> None:
    found = model(number)
    assert (found.name, found.version, found.multiple, found.mandatory) == (name, version, multiple, mandatory)


def test_every_object_that_the_project_needs_is_known() -> None:
    ipso = {3300, 3301, 3302, 3303, 3304, 3305, 3311, 3313, 3315, 3316, 3322, 3323, 3330, 3342}
    assert {found.id for found in STANDARD.known_objects()} == ipso | {
        0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 16, 19, 21, 26241, 26242, 26243, 33629,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "name", "operations", "kind", "multiple", "mandatory"),
    [
        ((0, 5), "Secret Key", Operations.NONE, ResourceType.OPAQUE, False, True),
        ((1, 1), "Lifetime", Operations.READ_WRITE, ResourceType.INTEGER, False, True),
        ((3, 3), "Firmware Version", Operations.READ, ResourceType.STRING, False, False),
        ((3, 4), "Reboot", Operations.EXECUTE, ResourceType.NONE, False, True),
        ((3, 11), "Error Code", Operations.READ, ResourceType.INTEGER, True, True),
        ((5, 0), "Package", Operations.WRITE, ResourceType.OPAQUE, False, True),
        ((5, 13), "Maximum Defer Period", Operations.READ_WRITE, ResourceType.UNSIGNED_INTEGER, False, False),
        ((9, 12), "Activation State", Operations.READ, ResourceType.BOOLEAN, False, True),
        ((9, 16), "Status Reason", Operations.READ, ResourceType.STRING, False, False),
        ((19, 0), "Data", Operations.READ_WRITE, ResourceType.OPAQUE, True, True),
        ((3303, 5700), "Sensor Value", Operations.READ, ResourceType.FLOAT, False, True),
        ((33629, 16), "Linked Instances", Operations.READ, ResourceType.OBJLNK, True, False),
    ],
)
def test_a_resource_is_as_in_the_registry(
    path: tuple[int, int],
    name: str,
    operations: Operations,
    kind: ResourceType,
    *,
    multiple: bool,
    mandatory: bool,
) -> None:
    found = find_resource(*path)
    assert found is not None
    assert (found.name, found.operations, found.type) == (name, operations, kind)
    assert (found.multiple, found.mandatory) == (multiple, mandatory)


def test_ranges_and_units_are_kept() -> None:
    level = find_resource(3, 9)
    assert level is not None
    assert (level.range, level.units, level.description) == ("0..100", "/100", "")
    lifetime = find_resource(1, 1)
    assert lifetime is not None
    assert (lifetime.range, lifetime.units) == ("", "s")


@pytest.mark.parametrize(
    ("number", "version", "last", "urn"),
    [
        (5, "1.0", 9, "urn:oma:lwm2m:oma:5"),
        (5, "1.1", 13, "urn:oma:lwm2m:oma:5:1.1"),
        (5, "1.2", 14, "urn:oma:lwm2m:oma:5:1.2"),
        (3, "1.0", 22, "urn:oma:lwm2m:oma:3"),
        (3, "1.1", 22, "urn:oma:lwm2m:oma:3:1.1"),
        (1, "1.0", 8, "urn:oma:lwm2m:oma:1"),
        (1, "1.2", 27, "urn:oma:lwm2m:oma:1:1.2"),
        (4, "1.0", 10, "urn:oma:lwm2m:oma:4"),
        (9, "1.1", 22, "urn:oma:lwm2m:oma:9:1.1"),
        (3303, "1.0", 5701, "urn:oma:lwm2m:ext:3303"),
        (3303, "1.1", 6050, "urn:oma:lwm2m:ext:3303:1.1"),
    ],
)
def test_an_older_version_has_fewer_resources(number: int, version: str, last: int, urn: str) -> None:
    found = model(number, version)
    assert (max(found.resources), found.urn, found.version) == (last, urn, version)


def test_types_may_differ_between_versions() -> None:
    assert model(1, "1.1").resources[1].type is ResourceType.INTEGER
    assert model(1, "1.2").resources[1].type is ResourceType.UNSIGNED_INTEGER
    assert model(21, "1.0").resources[0].type is ResourceType.STRING
    assert model(21, "2.0").resources[0].type is ResourceType.OPAQUE


def test_what_is_not_known_is_none() -> None:
    assert find_object(31024) is None
    assert find_object(3, "7.0") is None
    assert find_resource(31024, 1) is None
    assert find_resource(3, 999) is None
    assert find_resource(5, 4) is None


def test_a_resource_that_only_another_version_has_is_found() -> None:
    assert 25 not in model(1).resources
    found = find_resource(1, 25)
    assert found is not None
    assert found.name == "Supported Server Versions"


@pytest.mark.parametrize(
    ("number", "lwm2m_version", "version"),
    [
        (3, "1.0", "1.0"),
        (3, "1.1", "1.1"),
        (4, "1.1.1", "1.2"),
        (5, "1.1", "1.0"),
        (5, "1.2", "1.1"),
        (4, "1.2", "1.3"),
        (3303, "1.2", "1.0"),
        (3, "1.0.0", "1.0"),
    ],
)
def test_an_object_without_a_version_has_the_one_of_its_lwm2m(number: int, lwm2m_version: str, version: str) -> None:
    assert implied_version(number, lwm2m_version) == version


def test_the_urn_says_who_owns_the_number() -> None:
    assert standard_urn(3, "1.0") == "urn:oma:lwm2m:oma:3"
    assert standard_urn(10240, "1.1") == "urn:oma:lwm2m:ext:10240:1.1"
    assert standard_urn(10241, "1.0") == "urn:oma:lwm2m:x:10241"


def test_a_registry_is_extended_without_changing_the_one_it_comes_from() -> None:
    vendor = object_model(31024, "Test", "1.0", "1 RW int . Number")
    mine = object_model(3, "Mine", "1.2", "0 R int . Manufacturer")
    registry = STANDARD.extended((vendor, mine))
    assert registry.find_object(31024) is vendor
    assert registry.find_object(3) is mine
    assert STANDARD.find_object(31024) is None
    assert model(3).name == "Device"
    assert len(registry.all_versions()) == len(STANDARD.all_versions()) + 1


def test_codecs_take_the_types_from_the_registry_that_they_are_given() -> None:
    registry = ObjectRegistry([object_model(31024, "Test", "1.0", "1 RW int . Number\n2 RW str * Names")])
    path = Path.of(31024, 10)
    assert decode(path, b"\xc1\x01\x05", 11542, registry) == Instance(10, (Resource(1, ResourceType.INTEGER, 5),))
    assert decode(path / 1, b"5", 0, registry) == Resource(1, ResourceType.INTEGER, 5)
    nodes = decode_nodes(b'[{"n":"/31024/10/1","v":5.0}]', 110, registry)
    assert nodes == {path / 1: Resource(1, ResourceType.INTEGER, 5)}
    assert select(nodes, [path], registry)[path] == Instance(10, (Resource(1, ResourceType.INTEGER, 5),))
