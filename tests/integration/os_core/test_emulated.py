"""The device OS on the emulated board: it proves its model, and gives up by itself a firmware that does not."""

import asyncio
import json
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from edge.os_board import FIRMWARE_A, OsBoard
from tests.support.os_core import Core, compile_core, make_key
from tests.support.os_core.firmware import BOARD, Build, provisioning

pytestmark = [pytest.mark.qemu, pytest.mark.toolchain]

KEY = make_key()
NOWHERE = "coap://10.0.2.2:9"
REPORT = 0xA26000
EXEC = 0x20000
MAGIC = 0x524C4D54
BRANCH_TO_ITSELF, UNDEFINED = b"\xfe\xe7", b"\x00\xde"
Make = Callable[[str], Build]


def report_of(board: OsBoard) -> dict[str, object]:
    """The newest valid copy of the record, straight out of the flash."""
    found: list[tuple[int, bytes]] = []
    for at in (REPORT, REPORT + 4096):
        copy = board.flash.read_bytes()[at : at + 4096]
        magic, sequence, length, crc = struct.unpack_from("<4I", copy)
        content = copy[16:][:length]
        if magic == MAGIC and crc == zlib.crc32(struct.pack("<3I", sequence, length, zlib.crc32(content))):
            found.append((sequence, content))
    document: dict[str, object] = json.loads(max(found)[1])
    return document


def golden_of(lines: list[str]) -> list[str]:
    return [line.split("output=")[1] for line in lines if line.startswith("@tml golden")]


async def test_a_board_proves_its_model_on_its_console_at_each_start(build: Make, tmp_path: Path) -> None:
    made = build("digits-cnn")
    board = OsBoard(tmp_path / "board")
    board.manufacture(made.bootloader, made.signed(KEY), provisioning(KEY, NOWHERE))
    assert board.provisioning().endpoint == "board-1"
    try:
        for _start in range(2):
            before = board.lines
            await board.start()
            await board.wait_for("os: model: built-in", after=before)
            lines = board.console(after=before)
            assert lines[0] == "boot: loader 1 starts firmware a 1.0.0+0"
            assert golden_of(lines) == [output.hex() for output in made.golden_outputs]
            await board.cut()
    finally:
        await board.cut()


async def test_a_damaged_or_foreign_firmware_is_not_started(build: Make, tmp_path: Path) -> None:
    made = build("digits-cnn")
    boards = [OsBoard(tmp_path / name) for name in ("damaged", "foreign")]
    boards[0].manufacture(made.bootloader, made.signed(KEY), provisioning(KEY, NOWHERE))
    boards[1].manufacture(made.bootloader, made.signed(make_key(2)), provisioning(KEY, NOWHERE))
    with boards[0].flash.open("r+b") as flash:
        flash.seek(FIRMWARE_A + 0x300)
        flash.write(b"\x00")
    try:
        for board, word in zip(boards, ("wrong-hash", "wrong-key"), strict=True):
            await board.start()
            await board.wait_for("boot: halted: no firmware can be started")
            assert f"boot: firmware a refused: {word}" in board.console()
    finally:
        for board in boards:
            await board.cut()


def patched(payload: bytes, address: int, instruction: bytes) -> bytes:
    at = (address & ~1) - EXEC
    return payload[:at] + instruction + payload[at + 2 :]


async def test_a_firmware_that_hangs_faults_or_computes_wrongly_is_given_up(
    build: Make, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    good, other = build("hello-world-sine"), build("digits-cnn")
    core = Core(compile_core(tmp_path_factory.mktemp("staging"), board=BOARD), tmp_path, KEY)
    payload = other.payload()
    [reset] = struct.unpack_from("<I", payload, 4)
    header = payload.index(struct.pack("<IHH", 0x4D4C4D54, 3, 168) + other.abi + bytes(20))
    [invoke] = struct.unpack_from("<I", payload, header + 88)
    wrong = (*other.golden_outputs[:-1], bytes(byte ^ 1 for byte in other.golden_outputs[-1]))
    new = partial(other.signed, KEY, version="2.0.0+1")
    bad = {
        "hangs at its start": new(payload=patched(payload, reset, BRANCH_TO_ITSELF)),
        "hangs in its model": new(payload=patched(payload, invoke, BRANCH_TO_ITSELF)),
        "faults": new(payload=patched(payload, invoke, UNDEFINED)),
        "computes a wrong byte": new(golden_outputs=wrong),
        "finds no server": new(),
    }
    expected = {
        "hangs at its start": ("no-report", "the watchdog reset it"),
        "hangs in its model": ("no-report", "the watchdog reset it at pc"),
        "faults": ("no-report", "it stopped with a fault at pc"),
        "computes a wrong byte": ("wrong-output", f"golden vector {len(wrong) - 1} differs at byte 0"),
        "finds no server": ("not-confirmed", "it did not register in time"),
    }

    async def give(name: str) -> tuple[object, object, object]:
        board = OsBoard(tmp_path / name)
        board.manufacture(good.bootloader, good.signed(KEY), provisioning(KEY, NOWHERE, confirm_s=3))
        board.flash.write_bytes(core.stage(board.flash.read_bytes(), bad[name]))
        await board.start()
        try:
            await board.wait_for("boot: loader 1 starts firmware b 2.0.0", seconds=60)
            back = await board.wait_for("boot: loader 1 starts firmware a 1.0.0", seconds=60)
            await board.wait_for("os: model: built-in", after=back.number)
        finally:
            await board.cut()
        report = report_of(board)
        return report["verdict"], report["reason"], report["result"]

    ends = dict(zip(bad, await asyncio.gather(*map(give, bad)), strict=True))
    for name, (verdict, reason, result) in ends.items():
        assert (verdict, result) == (expected[name][0], 8), (name, reason)
        assert str(reason).startswith(expected[name][1]), (name, reason)
