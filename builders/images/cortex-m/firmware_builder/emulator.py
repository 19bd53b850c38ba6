"""Boots bare firmware in QEMU, as the server does with what was signed: an instruction is a nanosecond of its time."""

import re
import selectors
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from firmware_builder.boards import Board
from firmware_builder.processes import Process

QEMU = "qemu-system-arm"
INSTRUCTIONS_PER_SECOND = 1_000_000_000
MAX_REPORT_BYTES = 1024 * 1024
_RESET_VECTOR_BYTES = 8
_SHOWN_OUTPUT = 300
_LAYER = re.compile(r"^@tml layer index=(\d{1,9}) ticks=(\d{1,10}\.\d{3}) name=\w+$", re.MULTILINE)
_END = re.compile(r"^@tml (ready|fault) .*\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Emulation:
    """What came of it: the instructions of each layer by its index, or why there are none."""

    layers: dict[int, float]
    problem: str = ""


def emulated(payload: bytes, board: Board, folder: Path, seconds: float) -> Emulation:
    """Boot the payload of a profile where the board has its slot, and read the layers of its report."""
    if shutil.which(QEMU) is None:
        return Emulation({}, f"{QEMU} is not installed")
    process = _boot(payload, board, folder, seconds)
    report = process.text()
    end = _END.search(report)
    if end is None and len(process.output) >= MAX_REPORT_BYTES:
        return Emulation({}, f"its report has more than {MAX_REPORT_BYTES} bytes")
    if end is None and process.ended:
        return Emulation({}, f"{QEMU} ended: {report.strip()[-_SHOWN_OUTPUT:]}")
    if end is None:
        return Emulation({}, f"it took more than {seconds:g} s")
    if end[1] != "ready":
        return Emulation({}, end[0].strip())
    per_tick = INSTRUCTIONS_PER_SECOND / board.timer_hz
    return Emulation({int(index): float(ticks) * per_tick for index, ticks in _LAYER.findall(report)})


def _boot(payload: bytes, board: Board, folder: Path, seconds: float) -> Process:
    """QEMU after the report's end, or when the time was up."""
    (folder / "payload.bin").write_bytes(payload)
    (folder / "reset_vector.bin").write_bytes(payload[:_RESET_VECTOR_BYTES])
    # A file, since the processor takes its reset vector before the loader's `data=` would be there.
    process = Process.start(
        [
            *(QEMU, "-M", board.name, "-display", "none", "-monitor", "none", "-serial", "stdio", "-nic", "none"),
            *("-icount", "shift=0", "-accel", "tcg,tb-size=32"),
            *("-device", f"loader,file=payload.bin,addr={board.load_address:#x},force-raw=on"),
            *("-device", f"loader,file=reset_vector.bin,addr={board.reset_vector_address:#x},force-raw=on"),
        ],
        folder,
    )
    deadline = time.monotonic() + seconds
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(process.pipe, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0 and len(process.output) < MAX_REPORT_BYTES:
                if selector.select(left) and not process.read():
                    break
                if _END.search(process.text()):
                    break
    finally:
        process.kill()
    return process
