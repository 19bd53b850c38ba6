"""The flasher backend for the emulated boards: a machine of QEMU, its flash a file, its power a process.

The file is the machine's own memory where QEMU can map one, or else loaded at each power-on
(docs/reference/image-format.md). It persists, so killing QEMU is cutting the power. QEMU reads the reset vector from
what its generic loader registers as ROM, which of the loader's forms only `file=` does (`data=` is written after the
CPU was reset), so the first two words of the vector table go through a file.
"""

import asyncio
import logging
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass
from pathlib import Path

from edge.errors import BoardMissingError, FlashError
from edge.files import write_durably
from edge.flasher import Progress
from edge.mcuboot import HEADER_MAGIC, HEADER_SIZE, VECTOR_TABLE_START
from edge.report import BootFailure, BootFailureKind, BootOutcome, BootReport, ReportParser

ERASED = b"\xff"
MAX_SERIAL_LOG = 1024 * 1024
_CHUNK = 64 * 1024
_MAX_ERROR_TEXT = 16 * 1024

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Machine:
    """What differs between the emulated boards: sizes in bytes, and where the CPU reads its reset vector.

    `flash_size` is that of the memory that QEMU keeps in the file; with `slot_address` the machine has no such memory
    and the file, as large as the slot, is loaded to that address at each power-on.
    """

    slot_size: int
    flash_size: int
    reset_vector: int = 0
    slot_address: int | None = None


_MIB = 1024 * 1024
_MPS2 = Machine(slot_size=4 * _MIB, flash_size=16 * _MIB)
MACHINES = {
    "mps2-an385": _MPS2,
    "mps2-an386": _MPS2,
    "mps2-an500": _MPS2,
    "mps2-an505": Machine(slot_size=4 * _MIB, flash_size=16 * _MIB, reset_vector=0x10000000),
    # Its memory file would be the 2 GiB of DDR: the slot is in code SRAM instead.
    "mps3-an547": Machine(slot_size=2 * _MIB, flash_size=2 * _MIB, slot_address=0x01000000),
}


class QemuBoard:
    """One emulated board of MACHINES; implements Flasher. Its files lie in a folder of its own."""

    instructions_per_second = 1_000_000_000  # -icount shift=0: one instruction is one nanosecond of the board's time

    def __init__(
        self,
        folder: Path,
        *,
        board: str = "mps2-an386",
        boot_deadline: float = 60.0,
        executable: str = "qemu-system-arm",
    ) -> None:
        self.board = board
        self._machine = MACHINES[board]
        self.slot_size = self._machine.slot_size
        self._folder = folder
        self._flash = folder / "flash.bin"
        self._reset_vector = folder / "reset-vector.bin"
        self._serial = SerialLog(folder / "serial.log")
        self._boot_deadline = boot_deadline
        found = shutil.which(executable)
        if found is None:
            raise BoardMissingError(f"{executable} is not installed: the emulated board {board} needs it")
        self._executable = found
        self._process: Process | None = None
        self._drains: list[asyncio.Task[None]] = []

    @property
    def powered(self) -> bool:
        """Whether the board runs."""
        return self._process is not None and self._process.returncode is None

    async def flash(self, image: bytes, progress: Progress) -> None:
        """Write the slot; the file's bytes are on the disk before this returns."""
        await self.power_off()
        loop = asyncio.get_running_loop()

        def report(done: int, total: int) -> None:
            loop.call_soon_threadsafe(progress, done, total)

        await asyncio.to_thread(self._write_slot, image, report)
        if not await self.holds(image):
            raise FlashError("the slot does not read back as it was written")

    async def holds(self, image: bytes) -> bool:
        """Compare the slot's beginning with the image."""
        return await asyncio.to_thread(self._read_slot, len(image)) == image

    async def boot(self) -> BootOutcome:
        """Start QEMU on the slot and wait for the report, at most the boot deadline."""
        await self.power_off()
        start = await asyncio.to_thread(self._read_slot, HEADER_SIZE + VECTOR_TABLE_START)
        if int.from_bytes(start[:4], "little") != HEADER_MAGIC:
            return BootFailure(BootFailureKind.NO_IMAGE, "the firmware slot holds no image")
        await asyncio.to_thread(write_durably, self._reset_vector, start[HEADER_SIZE:])
        process = self._process = await asyncio.create_subprocess_exec(
            *self._command(), stdin=DEVNULL, stdout=PIPE, stderr=PIPE
        )
        errors = bytearray()
        stderr = asyncio.create_task(self._collect_errors(process, errors))
        self._drains = [stderr]
        outcome = await self._await_report(process)
        if outcome is None:  # the machine ended: its last words are on stderr
            await stderr
            outcome = BootFailure(BootFailureKind.CRASH, last_words(bytes(errors), process.returncode))
        if isinstance(outcome, BootReport):
            self._drains.append(asyncio.create_task(self._drain(process)))
        else:
            await self.power_off()
        return outcome

    async def power_off(self) -> None:
        """Kill QEMU and wait until it is gone."""
        process, self._process = self._process, None
        drains, self._drains = self._drains, []
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()
        if drains:
            await asyncio.wait(drains)

    def _command(self) -> list[str]:
        machine = [
            *(self._executable, "-nographic", "-monitor", "none", "-serial", "stdio", "-nic", "none"),
            *self._memory(),
            *("-icount", "shift=0"),
            *("-device", _loader(self._reset_vector, self._machine.reset_vector)),
        ]
        tether = Path(__file__).with_name("tether.py")
        return [sys.executable, "-I", "-S", str(tether), str(os.getpid()), *machine]

    def _memory(self) -> list[str]:
        address, size = self._machine.slot_address, self._machine.flash_size
        if address is not None:
            return ["-M", self.board, "-device", _loader(self._flash, address)]
        backend = f"memory-backend-file,id=flash,size={size},mem-path={escaped(self._flash)},share=on"
        return ["-object", backend, "-M", f"{self.board},memory-backend=flash"]

    async def _await_report(self, process: Process) -> BootOutcome | None:
        """The report or its failure; None when the machine ended before either."""
        assert process.stdout is not None  # noqa: S101 - asked for with PIPE
        parser = ReportParser()
        try:
            async with asyncio.timeout(self._boot_deadline):
                while data := await process.stdout.read(_CHUNK):
                    self._serial.append(data)
                    if (outcome := parser.feed(data)) is not None:
                        return outcome
                await process.wait()
        except TimeoutError:
            return BootFailure(BootFailureKind.HANG, f"no complete report within {self._boot_deadline:g} s")
        return None

    async def _drain(self, process: Process) -> None:
        assert process.stdout is not None  # noqa: S101 - asked for with PIPE
        while data := await process.stdout.read(_CHUNK):
            self._serial.append(data)
        if process is self._process:
            _log.warning("board stopped by itself code=%s", await process.wait())

    async def _collect_errors(self, process: Process, errors: bytearray) -> None:
        assert process.stderr is not None  # noqa: S101 - asked for with PIPE
        while data := await process.stderr.read(_CHUNK):
            errors += data[: _MAX_ERROR_TEXT - len(errors)]

    def _write_slot(self, image: bytes, progress: Progress) -> None:
        if len(image) > self.slot_size:
            raise FlashError(f"{len(image)} bytes do not fit the slot of {self.slot_size}")
        self._ensure_flash()
        with self._flash.open("r+b") as file:
            file.write(ERASED * self.slot_size)
            file.seek(0)
            for start in range(0, len(image), _CHUNK):
                file.write(image[start : start + _CHUNK])
                progress(min(start + _CHUNK, len(image)), len(image))
            file.flush()
            os.fsync(file.fileno())

    def _read_slot(self, size: int) -> bytes:
        self._ensure_flash()
        with self._flash.open("rb") as file:
            return file.read(size)

    def _ensure_flash(self) -> None:
        size = self._machine.flash_size
        if not self._flash.exists() or self._flash.stat().st_size != size:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_durably(self._flash, ERASED * self.slot_size + bytes(size - self.slot_size))


class SerialLog:
    """Everything the UART said, in a file that starts over when it is full; the file before is kept as `.1`."""

    def __init__(self, path: Path, limit: int = MAX_SERIAL_LOG) -> None:
        self._path = path
        self._limit = limit

    def append(self, data: bytes) -> None:
        """Add at the end, and put the file aside first when it would exceed its limit."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists() and self._path.stat().st_size + len(data) > self._limit:
            self._path.replace(self._path.with_name(self._path.name + ".1"))
        with self._path.open("ab") as file:
            file.write(data)


def _loader(file: Path, address: int) -> str:
    return f"loader,addr={address:#x},file={escaped(file)},force-raw=on"


def escaped(path: Path) -> str:
    """A path inside a QEMU option, where a comma separates and two are one."""
    return str(path.resolve()).replace(",", ",,")


def last_words(errors: bytes, code: int | None) -> str:
    """What QEMU wrote on its end that tells most."""
    lines = errors.decode("utf-8", "replace").splitlines()
    fatal = [line for line in lines if "fatal" in line.lower() or "lockup" in line.lower()]
    return f"{(fatal or lines or ['no message'])[-1]} (QEMU ended with {code})"
