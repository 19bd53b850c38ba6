"""What a device says of itself, read with bounds: nothing that cannot be is believed."""

import pytest

from app.services.device_reading import DeviceIdentity, SlotReport, read_identity, read_inference
from app.services.update_reading import read_software
from lwm2m.errors import Rejected
from lwm2m.nodes import Instance, Resource
from lwm2m.software import SoftwareState
from lwm2m.values import ResourceType, Value
from tests.unit.app.test_update_reading import Device

STRING, INTEGER, BOOLEAN = ResourceType.STRING, ResourceType.INTEGER, ResourceType.BOOLEAN
ABI, MODEL = "ab" * 32, "cd" * 32
OBJECTS = (3, 5, 9, 26241)


def _slot(number: int, state: int, version: str, *, active: bool) -> Instance:
    values: dict[int, tuple[ResourceType, Value]] = {
        1: (STRING, version),
        7: (INTEGER, state),
        9: (INTEGER, 2),
        12: (BOOLEAN, active),
    }
    return Instance(number, tuple(Resource(key, kind, value) for key, (kind, value) in values.items()))


def _device(**texts: str) -> Device:
    resources = {name: Resource(int(name.rpartition("_")[2]), STRING, text) for name, text in texts.items()}
    slots = {"_9_0": _slot(0, 4, "1.0.0+1", active=True), "_9_1": _slot(1, 3, "1.0.0+2", active=False)}
    return Device(**resources, **slots)


async def test_a_board_with_the_device_os_says_what_it_runs_and_what_its_slots_hold() -> None:
    device = _device(_3_0_3="1.0.0+9", _26241_0_1=MODEL, _26241_0_2="mps2-an386-os", _26241_0_5=ABI, _26241_0_6="a")
    slots = (SlotReport("a", True, "1.0.0+1", True), SlotReport("b", False, None, False))
    expected = DeviceIdentity("mps2-an386-os", "1.0.0+9", MODEL, ABI, "a", slots)
    assert await read_identity(device, "x", OBJECTS) == expected


async def test_a_device_is_not_asked_for_objects_that_it_did_not_register() -> None:
    device = _device(_3_0_3="1.0", _26241_0_1=MODEL, _26241_0_2="mps2-an386", _26241_0_5=ABI, _26241_0_6="a")
    assert await read_identity(device, "x", (3, 5)) == DeviceIdentity(firmware_version="1.0")
    assert await read_identity(device, "x", (3, 26241)) == DeviceIdentity("mps2-an386", "1.0", MODEL)


@pytest.mark.parametrize("abi", ["", "abc", "g" * 64, "a" * 65])
async def test_a_hash_that_is_none_and_a_source_that_does_not_exist_are_not_believed(abi: str) -> None:
    device = _device(_3_0_3="v" * 300, _26241_0_1=abi, _26241_0_2="", _26241_0_5=abi, _26241_0_6="c")
    seen = await read_identity(device, "x", OBJECTS)
    assert (seen.abi, seen.model_sha256, seen.model_source, seen.board) == (None, None, None, None)
    assert seen.firmware_version == "v" * 64


async def test_figures_are_shown_all_or_not_at_all() -> None:
    figures = {"_26241_0_8": 36, "_26241_0_9": 33, "_26241_0_12": 1000}
    whole = Device(**{name: Resource(0, INTEGER, value) for name, value in figures.items()})
    assert await read_inference(whole, "x") == {"longest_gap_ticks": 36, "inference_ticks": 33, "inferences": 1000}
    del figures["_26241_0_9"]
    assert await read_inference(Device(**{name: Resource(0, INTEGER, 1) for name in figures}), "x") is None


async def test_an_instance_of_object_9_is_read_at_once_and_object_3_names_the_version_where_it_does_not() -> None:
    seen = await read_software(Device(_9_1=_slot(1, 4, "2.0", active=True)), "x", 1)
    assert (seen.state, seen.result, seen.version, seen.active) == (SoftwareState.INSTALLED, 2, "2.0", True)
    elsewhere = Device(_9_1=_slot(1, 7, "", active=False), _3_0_19=Resource(19, STRING, "1.5"))
    seen = await read_software(elsewhere, "x", 1)
    assert (seen.state, seen.version) == (None, "1.5")
    with pytest.raises(Rejected):
        await read_software(elsewhere, "x", 0)
