"""What devices say of an update, in each of the ways in which they say it."""

import pytest

from app.services.update_reading import read_firmware, read_report
from lwm2m.answers import Response
from lwm2m.errors import Rejected
from lwm2m.firmware import FirmwareState
from lwm2m.messages import Code
from lwm2m.nodes import Instance, Node, Resource
from lwm2m.paths import Path
from lwm2m.values import ResourceType

STRING, INTEGER = ResourceType.STRING, ResourceType.INTEGER


class Device:
    """The bridge's `read`, over a table; what is not there is 4.04."""

    def __init__(self, **nodes: Node) -> None:
        self.nodes = {Path.parse(name.replace("_", "/")): node for name, node in nodes.items()}

    async def read(self, _endpoint: str, path: Path) -> Response:
        node = self.nodes.get(path)
        return Response(Code.NOT_FOUND) if node is None else Response(Code.CONTENT, node)


async def test_a_device_that_reads_instances_is_asked_once() -> None:
    resources = (Resource(3, INTEGER, 2), Resource(5, INTEGER, 0), Resource(7, STRING, "2.0"))
    seen = await read_firmware(Device(_5_0=Instance(0, resources), _3_0_3=Resource(3, STRING, "1.0")), "x")
    assert (seen.state, seen.result, seen.package_version) == (FirmwareState.DOWNLOADED, 0, "2.0")
    assert seen.version == "1.0"


async def test_a_device_that_reads_no_instances_is_asked_for_each_resource() -> None:
    seen = await read_firmware(Device(_5_0_3=Resource(3, INTEGER, 0), _5_0_5=Resource(5, INTEGER, 8)), "x")
    assert (seen.state, seen.result, seen.version) == (FirmwareState.IDLE, 8, None)


async def test_a_device_without_object_5_says_so() -> None:
    with pytest.raises(Rejected):
        await read_firmware(Device(_3_0_3=Resource(3, STRING, "1.0")), "x")


@pytest.mark.parametrize("state", [4, -1, "2"])
async def test_a_state_that_does_not_exist_is_none(state: int | str) -> None:
    kind = STRING if isinstance(state, str) else INTEGER
    seen = await read_firmware(Device(_5_0=Instance(0, (Resource(3, kind, state), Resource(5, INTEGER, 0)))), "x")
    assert seen.state is None


@pytest.mark.parametrize(
    ("text", "report"),
    [
        ('{"a": 1}', {"a": 1}),
        ("[1]", None),
        ("{", None),
        ("", None),
        ('{"a":"' + "x" * 65_536 + '"}', None),
        ('{"a":' + "[" * 20_000 + "]" * 20_000 + "}", None),
        ('{"reason":"\\ud800"}', None),
        ('{"a": NaN}', None),
    ],
)
async def test_a_report_is_a_json_object_of_bounded_size(text: str, report: dict[str, int] | None) -> None:
    assert await read_report(Device(_26241_0_0=Resource(0, STRING, text)), "x") == report
