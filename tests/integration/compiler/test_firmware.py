"""The firmware in QEMU computes what the oracle computes, and says so in the report's words."""

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from board import fields, first_words, run_firmware

pytestmark = [pytest.mark.qemu, pytest.mark.toolchain]

KWS_TICKS = 250_000  # of 40 instructions: 10 million
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("half", [0, 1])
def test_firmware_outputs_equal_the_oracle_on_ten_random_inputs(
    half: int,
    reference_model: tuple[str, bytes],
    request_folder: Callable[..., Path],
    oracle_vectors: Callable[..., list[tuple[list[bytes], list[bytes]]]],
    run_builder: Run,
    tmp_path: Path,
) -> None:
    name, model = reference_model
    vectors = oracle_vectors(model, 10, half)
    folder, out = request_folder(model, vectors), tmp_path / "out"
    out.mkdir()

    built = run_builder("--in", folder, "--out", out)
    assert built.returncode == 0, built.stdout
    result = json.loads((out / "result.json").read_text())
    lines = run_firmware((out / "firmware.bin").read_bytes(), tmp_path)

    boot, *golden, ready = lines
    assert boot.startswith("@tml boot ")
    assert fields(boot) == {
        "version": "1.2.3+4",
        "board": "mps2-an386",
        "model": hashlib.sha256(model).hexdigest(),
        "abi": result["model_slot"]["abi"],
        "vectors": "10",
    }
    assert [fields(line)["output"] for line in golden] == [outputs[0].hex() for _, outputs in vectors]
    assert [int(fields(line)["index"]) for line in golden] == list(range(10))
    assert fields(ready)["arena"] == str(result["memory"]["arena_bytes"])
    assert fields(ready)["hz"] == "25000000"
    assert 0 < int(fields(ready)["stack"]) < 8192
    if name == "kws_ref_model":
        assert max(int(fields(line)["ticks"]) for line in golden) < KWS_TICKS


def test_result_describes_the_image(run_builder: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    built = run_builder("mnist.tflite", "-o", out)
    assert built.returncode == 0, built.stdout
    result = json.loads((out / "result.json").read_text())
    payload = (out / "firmware.bin").read_bytes()
    (image,) = result["images"]
    assert image["sha256"] == hashlib.sha256(payload).hexdigest()
    assert image["load_address"] == 0x21000200
    stack, handler = first_words(payload)
    assert 0x20000000 < stack <= 0x20400000
    assert 0x21000200 <= handler - 1 < 0x21000200 + len(payload)
    assert result["memory"]["flash_bytes"] == len(payload)
    assert {section["name"] for section in result["sections"]} >= {".vectors", ".text", ".model", ".stack", ".bss"}
    lines = run_firmware(payload, tmp_path)
    assert fields(lines[-1])["vectors"] == "4"


def test_two_boots_report_the_same_ticks(run_builder: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run_builder("mnist.tflite", "-o", out).returncode == 0
    payload = (out / "firmware.bin").read_bytes()
    assert run_firmware(payload, tmp_path) == run_firmware(payload, tmp_path)


def test_a_fault_is_reported_with_its_place(run_builder: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run_builder("mnist.tflite", "-o", out).returncode == 0
    payload = bytearray((out / "firmware.bin").read_bytes())
    result = json.loads((out / "result.json").read_text())
    code = next(section for section in result["sections"] if section["name"] == ".model")
    place = code["address"] - 0x21000200  # the first layer's code
    payload[place : place + 2] = b"\x00\xde"  # udf: an undefined instruction
    lines = run_firmware(bytes(payload), tmp_path)
    fault = fields(lines[-1])
    assert lines[-1].startswith("@tml fault ")
    assert fault["kind"] == "usage"
    assert int(fault["pc"], 16) == 0x21000200 + place
    assert int(fault["cfsr"], 16) == 0x00010000  # undefined instruction
