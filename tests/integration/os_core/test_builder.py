"""A build for a board with the device OS: every image, the size of every part, one bootloader for every model."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from builders.contract import Success, parse_manifest, parse_result
from tests.support.os_core import BUILDER
from tests.support.os_core.firmware import BOARD, Build

pytestmark = pytest.mark.toolchain

Make = Callable[[str], Build]


def test_the_images_are_in_their_slots_and_the_bootloader_is_the_same_for_every_model(build: Make) -> None:
    digits, sine = build("digits-cnn"), build("hello-world-sine")
    result = parse_result((digits.folder / "result.json").read_bytes())
    board = parse_manifest((BUILDER / "manifest.json").read_text()).board(BOARD)
    assert isinstance(result, Success)
    assert board is not None
    slots = {image.file: board.slot_for(image.kind, image.load_address) for image in result.images}
    assert slots == {
        "firmware.bin": "firmware",
        "model-a.bin": "model-a",
        "model-b.bin": "model-b",
        "bootloader.bin": "bootloader",
    }
    assert digits.bootloader == sine.bootloader
    assert digits.abi == sine.abi
    assert digits.payload("model-a") != digits.payload("model-b")


def test_a_build_prints_the_size_of_each_part(tmp_path: Path) -> None:
    command = [sys.executable, "-B", str(BUILDER / "build.py"), "--board", BOARD, "-o", str(tmp_path), "mnist.tflite"]
    log = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    rows = {
        row[0]: (int(row[1]), int(row[2])) for row in re.findall(r"^ +(\w[\w ]+?) +(\d+) +(\d+)$", log, re.MULTILINE)
    }
    assert {"bootloader", "OS", "crypto", "model code", "model data", "together"} <= rows.keys()
    firmware = sum(flash for name, (flash, _ram) in rows.items() if name not in {"bootloader", "together"})
    assert abs(firmware - (tmp_path / "firmware.bin").stat().st_size) < 256
    assert rows["model code"][1] >= 3232  # the arena
