"""The contract's documents: what is read, what is written, and what is refused with which words."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from builders.contract import (
    Estimate,
    Failure,
    FirmwareVersion,
    GoldenVector,
    ImageKind,
    ModelRef,
    Slot,
    Success,
    Tensor,
    build_request_json,
    check_parameters,
    golden_json,
    parse_manifest,
    parse_result,
)
from builders.errors import BadManifestError, BadParametersError, BadRequestError, BadResultError

MANIFEST: dict[str, Any] = {
    "contract": 1,
    "name": "cortex-m",
    "version": "1.0.0",
    "maintainer": "TinyMLaaS",
    "description": "Line one\nline two",
    "boards": [
        {
            "name": "mps2-an386",
            "cpu": "cortex-m4",
            "flash_bytes": 4194304,
            "ram_bytes": 4194304,
            "slots": {"firmware": {"address": 553648128, "size": 4194304}},
        }
    ],
    "model_formats": ["tflite"],
    "parameters": {
        "type": "object",
        "properties": {"optimise": {"enum": ["size", "speed"]}, "pattern": {"type": "integer", "maximum": 3}},
        "additionalProperties": False,
    },
}
RESULT: dict[str, Any] = {
    "contract": 1,
    "status": "succeeded",
    "images": [
        {
            "kind": "firmware",
            "file": "firmware.bin",
            "format": "bin",
            "sha256": "ab" * 32,
            "load_address": 553648640,
            "version": "1.0.0+305419896",
        }
    ],
    "sections": [{"name": ".text", "address": 553648640, "size": 12345}],
    "memory": {"flash_bytes": 34567, "ram_bytes": 2345, "arena_bytes": 1024},
    "operators": [{"name": "CONV_2D", "count": 2}],
    "toolchain": {"arm-none-eabi-gcc": "12.2.1"},
    "model_slot": {"abi": "cd" * 32, "size": 65536, "arena_bytes": 1024},
}


def changed(document: dict[str, Any], pointer: str, value: object) -> str:
    """The document's JSON with one value replaced, or removed when the value is `...`."""
    document = copy.deepcopy(document)
    *parents, last = pointer.split("/")[1:]
    node: Any = document
    for part in parents:
        node = node[int(part) if isinstance(node, list) else part]
    if value is ...:
        del node[last]
    else:
        node[int(last) if isinstance(node, list) else last] = value
    return json.dumps(document)


def test_the_documented_manifest_is_read() -> None:
    manifest = parse_manifest(json.dumps(MANIFEST))
    board = manifest.board("mps2-an386")
    assert board is not None
    assert board.slots == {"firmware": Slot(553648128, 4194304)}
    assert manifest.board("another") is None
    assert manifest.model_formats == ("tflite",)


@pytest.mark.parametrize(
    ("pointer", "value", "field"),
    [
        ("/contract", 2, "/contract"),
        ("/name", "Cortex M", "/name"),
        ("/name", "cortex-m\n", "/name"),
        ("/version", "one", "/version"),
        ("/maintainer", ..., ""),
        ("/extra", 1, ""),
        ("/boards", [], "/boards"),
        ("/boards/0/flash_bytes", 0, "/boards/0/flash_bytes"),
        ("/boards/0/ram_bytes", "4 MiB", "/boards/0/ram_bytes"),
        ("/boards/0/slots/firmware/address", 1 << 32, "/boards/0/slots/firmware/address"),
        ("/boards/0/slots", {"../x": {"address": 0, "size": 1}}, "/boards/0/slots"),
        ("/boards", [MANIFEST["boards"][0]] * 2, "/boards/1/name"),
        ("/parameters", {"type": "string"}, "/parameters/type"),
        ("/parameters/properties/optimise", {"type": "text"}, "/parameters/properties/optimise/type"),
        ("/parameters/$ref", "http://partner.example/schema", "/parameters/$ref"),
        ("/parameters/properties/optimise", {"pattern": "(a+)+$"}, "/parameters/properties/optimise/pattern"),
        ("/parameters/allOf", [{"$dynamicRef": "#x"}], "/parameters/allOf/0/$dynamicRef"),
    ],
)
def test_a_wrong_manifest_names_the_field(pointer: str, value: object, field: str) -> None:
    with pytest.raises(BadManifestError) as caught:
        parse_manifest(changed(MANIFEST, pointer, value))
    assert (caught.value.code, caught.value.field) == ("bad_manifest", field)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 50_000,
        "\ud800",
        '"\\ud800"',
        '{"contract": NaN}',
        '{"contract": 1e999}',
        '{"contract": 1, "contract": 1}',
        "1" * 5000,
        " " * 70_000,
    ],
    ids=repr,
)
def test_text_that_is_no_sound_json_is_no_manifest(text: str) -> None:
    with pytest.raises(BadManifestError):
        parse_manifest(text)


def test_parameters_are_checked_against_the_manifest() -> None:
    manifest = parse_manifest(json.dumps(MANIFEST))
    check_parameters(manifest, {"optimise": "size", "pattern": 3})
    for parameters, field in (({"optimise": "beauty"}, "/optimise"), ({"pattern": 4}, "/pattern"), ({"more": 1}, "")):
        with pytest.raises(BadParametersError) as caught:
            check_parameters(manifest, parameters)
        assert caught.value.field == field


def test_the_documented_result_is_read() -> None:
    result = parse_result(json.dumps(RESULT).encode())
    assert isinstance(result, Success)
    assert result.images[0].kind is ImageKind.FIRMWARE
    assert result.images[0].version == FirmwareVersion(1, 0, 0, 305419896)
    assert (result.memory.arena_bytes, result.operators[0].count) == (1024, 2)
    assert result.model_slot is not None
    without_slot = parse_result(changed(RESULT, "/model_slot", ...).encode())
    assert isinstance(without_slot, Success)
    assert without_slot.model_slot is None


ESTIMATE: dict[str, Any] = {
    **{name: RESULT[name] for name in ("contract", "memory", "operators", "toolchain")},
    "status": "estimated",
    "performance": {"basis": "estimated", "instructions": 900, "notes": ["MUL was not measured."]},
}


def test_the_documented_estimate_is_read() -> None:
    result = parse_result(json.dumps(ESTIMATE).encode())
    assert isinstance(result, Estimate)
    assert (result.memory.flash_bytes, result.performance.total.instructions) == (34567, 900)
    assert result.performance.notes == ("MUL was not measured.",)


@pytest.mark.parametrize(
    ("pointer", "value", "field"),
    [
        ("/performance", ..., ""),
        ("/memory/flash_bytes", -1, "/memory/flash_bytes"),
        ("/images", RESULT["images"], ""),
        ("/performance/notes", ["x"] * 17, "/performance/notes"),
    ],
)
def test_a_wrong_estimate_names_the_field(pointer: str, value: object, field: str) -> None:
    with pytest.raises(BadResultError) as caught:
        parse_result(changed(ESTIMATE, pointer, value).encode())
    assert caught.value.field == field


def test_estimates_are_offered_by_the_manifest_alone() -> None:
    assert parse_manifest(json.dumps(MANIFEST)).estimates is False
    assert parse_manifest(changed(MANIFEST, "/estimates", True)).estimates is True
    with pytest.raises(BadManifestError) as caught:
        parse_manifest(changed(MANIFEST, "/estimates", "yes"))
    assert caught.value.field == "/estimates"


@pytest.mark.parametrize(
    ("address", "kind", "name"),
    [
        (553648128, ImageKind.FIRMWARE, "firmware"),
        (553648128 + 4194304, ImageKind.FIRMWARE, None),
        (553648128, ImageKind.MODEL, None),
        (0x1000, ImageKind.MODEL, "model-a"),
        (0x2FFF, ImageKind.MODEL, "model-b"),
        (0x1000, ImageKind.BOOTLOADER, None),
    ],
)
def test_the_slot_of_an_image_is_found_by_its_kind_and_address(address: int, kind: ImageKind, name: str | None) -> None:
    slots = {
        **MANIFEST["boards"][0]["slots"],
        "model-a": {"address": 0x1000, "size": 0x1000},
        "model-b": {"address": 0x2000, "size": 0x1000},
        "modelling": {"address": 0, "size": 0x1000},
    }
    board = parse_manifest(changed(MANIFEST, "/boards/0/slots", slots)).boards[0]
    assert board.slot_for(kind, address) == name


def test_a_documented_failure_is_read() -> None:
    text = '{"contract": 1, "status": "failed", "error": {"code": "bad_model", "message": "No.", "hint": "Yes."}}'
    assert parse_result(text.encode()) == Failure("bad_model", "No.", "Yes.")


@pytest.mark.parametrize(
    ("pointer", "value", "field"),
    [
        ("/status", "perhaps", "/status"),
        ("/status", "failed", ""),
        ("/images", [], "/images"),
        ("/images", RESULT["images"] * 2, "/images/1/file"),
        ("/images/0/file", "../firmware.bin", "/images/0/file"),
        ("/images/0/file", "firmware.bin\n", "/images/0/file"),
        ("/images/0/file", "..", "/images/0/file"),
        ("/images/0/file", "result.json", "/images/0/file"),
        ("/images/0/sha256", "AB" * 32, "/images/0/sha256"),
        ("/images/0/version", "1.0.0", "/images/0/version"),
        ("/images/0/version", "256.0.0+0", "/images/0/version"),
        ("/images/0/load_address", True, "/images/0/load_address"),
        ("/sections/0/name", "\u0000", "/sections/0/name"),
        ("/memory/ram_bytes", -1, "/memory/ram_bytes"),
        ("/toolchain", {"gcc": 12}, "/toolchain/gcc"),
        ("/model_slot/abi", "", "/model_slot/abi"),
        ("/error", {}, ""),
    ],
)
def test_a_wrong_result_names_the_field(pointer: str, value: object, field: str) -> None:
    with pytest.raises(BadResultError) as caught:
        parse_result(changed(RESULT, pointer, value).encode())
    assert (caught.value.code, caught.value.field) == ("bad_result", field)


def request(**changes: Any) -> bytes:
    tensor = Tensor("x", (1, 8, 8, 1), "int8", 0.0039, -128)
    arguments: dict[str, Any] = {
        "model": ModelRef("digits-cnn", 1, "ef" * 32),
        "inputs": [tensor],
        "outputs": [tensor],
        "board": "mps2-an386",
        "parameters": {"b": 1, "a": 2},
        "firmware_version": FirmwareVersion(1, 0, 0, 305419896),
        "source_date_epoch": 1767225600,
    }
    return build_request_json(**arguments | changes)


def test_the_build_request_is_as_documented_and_canonical() -> None:
    document = json.loads(request())
    assert document["model"] == {"name": "digits-cnn", "version": 1, "sha256": "ef" * 32, "file": "model.tflite"}
    assert document["tensors"]["inputs"] == [
        {"name": "x", "shape": [1, 8, 8, 1], "dtype": "int8", "scale": 0.0039, "zero_point": -128}
    ]
    assert document["firmware_version"] == "1.0.0+305419896"
    assert request() == request(parameters={"a": 2, "b": 1})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"board": "MPS2"}, "/board"),
        ({"source_date_epoch": -1}, "/source_date_epoch"),
        ({"inputs": []}, "/tensors/inputs"),
        ({"inputs": [Tensor("x", (0,), "int8", 1, 0)]}, "/tensors/inputs/0/shape/0"),
        ({"inputs": [Tensor("x", (1,), "int8", float("nan"), 0)]}, ""),
        ({"parameters": {"a": object()}}, ""),
    ],
)
def test_a_wrong_build_request_is_never_written(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        request(**changes)
    assert caught.value.field == field


def test_golden_vectors_are_written_as_hex() -> None:
    vector = GoldenVector(inputs=(b"\x01\xff",), outputs=(b"\x80",))
    assert json.loads(golden_json([vector], tolerance=1)) == {
        "contract": 1,
        "tolerance": 1,
        "vectors": [{"inputs": ["01ff"], "outputs": ["80"]}],
    }
    with pytest.raises(BadRequestError):
        golden_json([vector] * 17)


@pytest.mark.parametrize(
    "text", ["1.2.3", "1.2.3+", "256.0.0+0", "0.256.0+0", "0.0.65536+0", "0.0.0+4294967296", "1.0.0+1\n"]
)
def test_a_version_outside_the_header_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not"):
        FirmwareVersion.parse(text)


def test_versions_are_written_as_read_and_ordered_by_number() -> None:
    assert str(FirmwareVersion.parse("1.2.3+4")) == "1.2.3+4"
    assert FirmwareVersion.parse("1.9.0+0") < FirmwareVersion.parse("1.10.0+0")
