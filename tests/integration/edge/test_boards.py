"""Every board that the shipped builder builds for can be flashed, booted, and powered again by the agent's flasher."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from builders.conformance import shipped_models
from builders.contract import ImageKind
from builders.image import SHIPPED
from builders.signing import sign_image
from edge.agent import BOARDS
from edge.report import BootReport

pytestmark = [pytest.mark.qemu, pytest.mark.toolchain]

MODEL = shipped_models().valid.content
MANIFEST = json.loads((SHIPPED / "manifest.json").read_text())


def test_the_agent_knows_every_bare_board_of_the_shipped_builder() -> None:
    assert set(BOARDS) == {board["name"] for board in MANIFEST["boards"] if not board["name"].endswith("-os")}


def signed_firmware(name: str, slot_size: int, folder: Path) -> bytes:
    (folder / "model.tflite").write_bytes(MODEL)
    command = [sys.executable, "-B", str(SHIPPED / "build.py"), "--board", name, "-o", str(folder), "model.tflite"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return sign_image(
        (folder / "firmware.bin").read_bytes(),
        key=ec.generate_private_key(ec.SECP256R1()),
        kind=ImageKind.FIRMWARE,
        version="0.0.0+0",
        security_counter=1,
        board=name,
        model_sha256=hashlib.sha256(MODEL).digest(),
        golden_outputs=[b"-"],
        slot="firmware",
        slot_size=slot_size,
    )


@pytest.mark.parametrize("name", sorted(BOARDS))
async def test_a_board_boots_what_was_flashed_and_again_after_a_power_cut(name: str, tmp_path: Path) -> None:
    [slot_size] = [board["slots"]["firmware"]["size"] for board in MANIFEST["boards"] if board["name"] == name]
    image = signed_firmware(name, slot_size, tmp_path)
    board = BOARDS[name](tmp_path / "board", boot_deadline=30)
    try:
        assert board.slot_size == slot_size
        await board.flash(image, lambda _done, _total: None)
        first = await board.boot()
        await board.power_off()
        assert await board.holds(image)
        second = await board.boot()
    finally:
        await board.power_off()
    assert isinstance(first, BootReport), first
    assert (first.board, first.model_sha256) == (name, hashlib.sha256(MODEL).hexdigest())
    assert second == first
