"""The emulated boards: each boots a payload from its flash and returns the report on the UART."""

import re
import struct
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FLASH_BYTES = 16 * 1024 * 1024
HEADER_BYTES = 0x200
BOOT_SECONDS = 60


@dataclass(frozen=True)
class Machine:
    """A machine of QEMU: its reset vector, and its flash, which is the machine's memory file or else loaded memory."""

    reset_vector: int
    memory_file: bool = True
    slot: int = 0


MACHINES = {
    "mps2-an385": Machine(0),
    "mps2-an386": Machine(0),
    "mps2-an500": Machine(0),
    "mps2-an505": Machine(0x10000000),
    # Its memory file would be 2 GiB of DDR: the payload is loaded into the code SRAM instead.
    "mps3-an547": Machine(0, memory_file=False, slot=0x01000000),
}


def run_firmware(payload: bytes, folder: Path, board: str = "mps2-an386") -> list[str]:
    """The `@tml` lines up to `ready` or `fault`."""
    machine = MACHINES[board]
    # The generic loader stands in for a boot ROM's alias. A file and not `data=`: the processor takes its stack pointer
    # and program counter at reset, before `data=` is written.
    alias = folder / "alias.bin"
    alias.write_bytes(payload[:8])
    uart = folder / "uart.txt"
    uart.unlink(missing_ok=True)
    process = subprocess.Popen(
        [
            "qemu-system-arm",
            *(_memory_file(payload, folder, board) if machine.memory_file else _loaded(payload, folder, board)),
            *("-device", f"loader,file={alias},addr={machine.reset_vector:#x},force-raw=on"),
            *("-nographic", "-monitor", "none", "-serial", f"file:{uart}", "-icount", "shift=0", "-nic", "none"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            text = uart.read_text("ascii") if uart.exists() else ""
            if re.search(r"^@tml (ready|fault) .*\n", text, re.MULTILINE):
                return [line for line in text.split("\n") if line.startswith("@tml ")]
            time.sleep(0.05)
    finally:
        process.kill()
        _, errors = process.communicate()
    raise AssertionError(f"the firmware did not report in {BOOT_SECONDS} s: {errors.decode()[-500:]}")


def _memory_file(payload: bytes, folder: Path, board: str) -> Sequence[str]:
    flash = folder / "flash.bin"
    with flash.open("wb") as stream:
        stream.truncate(FLASH_BYTES)
        stream.seek(HEADER_BYTES)
        stream.write(payload)
    backend = f"memory-backend-file,id=flash,size=16M,mem-path={flash},share=on"
    return ("-object", backend, "-M", f"{board},memory-backend=flash")


def _loaded(payload: bytes, folder: Path, board: str) -> Sequence[str]:
    image = folder / "payload.bin"
    image.write_bytes(payload)
    return ("-M", board, "-device", f"loader,file={image},addr={MACHINES[board].slot + HEADER_BYTES:#x},force-raw=on")


def fields(line: str) -> dict[str, str]:
    """`key=value` pairs of a report line."""
    return dict(part.split("=", 1) for part in line.split(" ") if "=" in part)


def first_words(payload: bytes) -> tuple[int, int]:
    """Initial stack pointer and reset handler."""
    stack, handler = struct.unpack_from("<2I", payload)
    return int(stack), int(handler)
