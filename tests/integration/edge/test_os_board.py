"""An emulated board with the device OS is made of what fits it, and says why when it does not run."""

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import BoardMissingError, FlashError
from edge.os_board import FIRMWARE_BYTES, FLASH_BYTES, PROVISIONING, OsBoard, machine_command
from edge.provisioning import Provisioning

pytestmark = pytest.mark.qemu

PAGE = Provisioning(
    endpoint="board-1",
    server="coap://10.0.2.2:5683",
    board="mps2-an386-os",
    signing_key=b"\x04" + bytes(64),
    seed=bytes(32),
)
IDLE = struct.pack("<II", 0x20001000, 0x9) + b"\xfe\xe7"  # stack, reset handler, a branch to itself
LOCKUP = struct.pack("<II", 0x20001000, 0xF0000001)


def test_a_new_board_holds_its_firmware_and_its_page_and_nothing_else(tmp_path: Path) -> None:
    board = OsBoard(tmp_path / "board")
    board.manufacture(IDLE, b"firmware", PAGE)
    flash = board.flash.read_bytes()
    assert len(flash) == FLASH_BYTES
    assert flash[:16] == b"firmware" + b"\xff" * 8
    assert board.provisioning() == PAGE
    page = PAGE.encode()
    rest = flash[8:PROVISIONING] + flash[PROVISIONING + len(page) :]
    assert rest == b"\xff" * len(rest)


def test_what_does_not_fit_the_board_is_refused(tmp_path: Path) -> None:
    board = OsBoard(tmp_path / "board")
    with pytest.raises(FlashError, match="do not fit the slot"):
        board.manufacture(IDLE, bytes(FIRMWARE_BYTES + 1), PAGE)
    with pytest.raises(FlashError, match="mps2-an385-os, this is a mps2-an386-os"):
        board.manufacture(IDLE, b"", replace(PAGE, board="mps2-an385-os"))
    assert not board.flash.exists()


def test_the_port_for_sensors_is_one_of_this_machine_too(tmp_path: Path) -> None:
    board = OsBoard(tmp_path / "board")
    board.manufacture(IDLE, b"firmware", replace(PAGE, sensor_port=5690))
    command = machine_command("mps2-an386-os", tmp_path / "board", "qemu", "stdio", counts_instructions=False)
    assert "user,ipv6=off,hostfwd=udp:127.0.0.1:5690-:5690" in command
    board.flash.write_bytes(bytes(FLASH_BYTES))
    command = machine_command("mps2-an386-os", tmp_path / "board", "qemu", "stdio", counts_instructions=False)
    assert "user,ipv6=off" in command, "without a page the board has power all the same, and says what is wrong"


async def test_a_board_that_was_not_made_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(FlashError, match="manufacture it first"):
        await OsBoard(tmp_path / "board").start()


def test_a_missing_emulator_is_named(tmp_path: Path) -> None:
    with pytest.raises(BoardMissingError, match="no-such-emulator is not installed"):
        OsBoard(tmp_path, executable="no-such-emulator")


async def test_waiting_ends_with_a_reason(tmp_path: Path) -> None:
    board = OsBoard(tmp_path / "a,comma")
    try:
        board.manufacture(IDLE, b"", PAGE)
        await board.start()
        with pytest.raises(TimeoutError, match=r"no line with 'ready' within 0\.2 s"):
            await board.wait_for("ready", seconds=0.2)
        assert board.powered
        await board.cut()
        assert not board.powered
        board.manufacture(LOCKUP, b"", PAGE)
        await board.start()
        with pytest.raises(FlashError, match="Lockup"):
            await board.wait_for("ready", seconds=20)
    finally:
        await board.cut()
