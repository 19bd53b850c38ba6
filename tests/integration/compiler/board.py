"""An emulated mps2-an386: boots a payload from its flash file and returns the report on the UART."""

import re
import struct
import subprocess
import time
from pathlib import Path

FLASH_BYTES = 16 * 1024 * 1024
HEADER_BYTES = 0x200
BOOT_SECONDS = 60


def run_firmware(payload: bytes, folder: Path) -> list[str]:
    """The `@tml` lines up to `ready` or `fault`."""
    flash = folder / "flash.bin"
    with flash.open("wb") as stream:
        stream.truncate(FLASH_BYTES)
        stream.seek(HEADER_BYTES)
        stream.write(payload)
    # The generic loader stands in for a boot ROM's alias. A file and not `data=`: the processor takes its stack pointer
    # and program counter at reset, before `data=` is written.
    alias = folder / "alias.bin"
    alias.write_bytes(payload[:8])
    uart = folder / "uart.txt"
    process = subprocess.Popen(
        [
            "qemu-system-arm",
            *("-object", f"memory-backend-file,id=flash,size=16M,mem-path={flash},share=on"),
            *("-M", "mps2-an386,memory-backend=flash"),
            *("-device", f"loader,file={alias},addr=0x0,force-raw=on"),
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


def fields(line: str) -> dict[str, str]:
    """`key=value` pairs of a report line."""
    return dict(part.split("=", 1) for part in line.split(" ") if "=" in part)


def first_words(payload: bytes) -> tuple[int, int]:
    """Initial stack pointer and reset handler."""
    stack, handler = struct.unpack_from("<2I", payload)
    return int(stack), int(handler)
