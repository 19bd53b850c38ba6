"""An emulated board with the device OS: made, started, cut from power; its flash is a file, its console a log.

The machine has a bootloader as its ROM, 16 MiB of flash that QEMU keeps in a file, and a network card behind QEMU's
NAT, where the host is 10.0.2.2 (docs/reference/device-os.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass
from pathlib import Path

from edge.errors import BoardMissingError, FlashError
from edge.files import write_durably
from edge.provisioning import PAGE_BYTES, BadProvisioningError, Provisioning
from edge.qemu import ERASED, SerialLog, escaped, last_words

HOST = "10.0.2.2"
"""The host's address as the board sees it."""

FLASH_BYTES = 16 * 1024 * 1024
FIRMWARE_A = 0x000000
FIRMWARE_B = 0x400000
FIRMWARE_BYTES = 0x3E0000
MODEL_A = 0x800000
MODEL_B = 0x900000
PROVISIONING = 0xA10000
FLASH, BOOTLOADER, CONSOLE = "flash.bin", "bootloader.bin", "serial.log"
"""Files of a board."""
_CHUNK = 64 * 1024
_MAX_LINE = 256 * 1024
_MAX_ERROR_TEXT = 16 * 1024
_MAX_KEPT_LINES = 2000
_MACHINES = {"mps2-an385-os": "mps2-an385", "mps2-an386-os": "mps2-an386", "mps2-an500-os": "mps2-an500"}
BOARDS = tuple(_MACHINES)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the console and its number, from 0 at the board's first start."""

    number: int
    text: str


class OsBoard:
    """One emulated board; its files lie in a folder of its own and outlive it.

    `counts_instructions` makes the board's clock a count of instructions (`-icount shift=0`): figures repeat exactly,
    and the board's seconds are no longer those of the host. The port at which the board listens to sensors is one of
    this machine's loopback as well, under the same number.
    """

    def __init__(
        self,
        folder: Path,
        *,
        board: str = "mps2-an386-os",
        counts_instructions: bool = False,
        executable: str = "qemu-system-arm",
    ) -> None:
        self.board = board
        self.flash = folder / FLASH
        self._folder = folder
        self._bootloader = folder / BOOTLOADER
        self._counts_instructions = counts_instructions
        found = shutil.which(executable)
        if found is None:
            raise BoardMissingError(f"{executable} is not installed: the emulated board {board} needs it")
        self._executable = found
        self._serial = SerialLog(folder / CONSOLE)
        self._process: Process | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._ended: str | None = None
        self._lines: list[Line] = []
        self._count = 0
        self._news = asyncio.Condition()
        self._errors = bytearray()

    @property
    def powered(self) -> bool:
        """Whether the board runs."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        """The process of the machine, for whoever measures it."""
        return self._process.pid if self._process is not None else None

    @property
    def lines(self) -> int:
        """How many lines the console has had."""
        return self._count

    def manufacture(self, bootloader: bytes, firmware: bytes, provisioning: Provisioning) -> None:
        """Write a flash that holds nothing but a signed firmware in slot A and the provisioning page."""
        if len(firmware) > FIRMWARE_BYTES:
            raise FlashError(f"{len(firmware)} bytes do not fit the slot of {FIRMWARE_BYTES}")
        if provisioning.board != self.board:
            raise FlashError(f"the page is for a {provisioning.board}, this is a {self.board}")
        self._folder.mkdir(parents=True, exist_ok=True)
        content = bytearray(ERASED * FLASH_BYTES)
        for at, part in ((FIRMWARE_A, firmware), (PROVISIONING, provisioning.encode())):
            content[at : at + len(part)] = part
        write_durably(self._bootloader, bootloader)
        write_durably(self.flash, bytes(content))

    def provisioning(self) -> Provisioning:
        """What the board's page says; raises BadProvisioningError."""
        return _page(self.flash)

    async def start(self) -> None:
        """Give power."""
        await self.cut()
        if not self._bootloader.exists() or not self.flash.exists():
            raise FlashError(f"{self._folder} holds no board: manufacture it first")
        self._errors.clear()
        self._ended = None
        process = self._process = await asyncio.create_subprocess_exec(
            *self._command(), stdin=DEVNULL, stdout=PIPE, stderr=PIPE
        )
        errors = asyncio.create_task(self._read_errors(process))
        self._readers = [errors, asyncio.create_task(self._read_console(process, errors))]

    async def cut(self) -> None:
        """Cut the power, in the middle of whatever the board does, and wait until it is gone."""
        process, self._process = self._process, None
        readers, self._readers = self._readers, []
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if readers:
            await asyncio.wait(readers)

    async def wait_for(self, pattern: str, *, after: int = 0, seconds: float = 60.0) -> Line:
        """The first line with the pattern, from line number `after` on; TimeoutError with the last lines."""
        expression = re.compile(pattern)

        def found() -> Line | None:
            return next((line for line in self._lines if line.number >= after and expression.search(line.text)), None)

        try:
            async with asyncio.timeout(seconds), self._news:
                while (line := found()) is None:
                    if self._ended is not None:
                        raise FlashError(f"the board is off: {self._ended}")
                    await self._news.wait()
                return line
        except TimeoutError:
            last = "\n".join(line.text[:200] for line in self._lines[-12:])
            raise TimeoutError(f"no line with {pattern!r} within {seconds:g} s; the last ones:\n{last}") from None

    def console(self, *, after: int = 0) -> list[str]:
        """The lines from number `after` on, as far as they are kept."""
        return [line.text for line in self._lines if line.number >= after]

    def _command(self) -> list[str]:
        machine = machine_command(
            self.board, self._folder, self._executable, "stdio", counts_instructions=self._counts_instructions
        )
        tether = Path(__file__).with_name("tether.py")
        return [sys.executable, "-I", "-S", str(tether), str(os.getpid()), *machine]

    async def _read_console(self, process: Process, errors: asyncio.Task[None]) -> None:
        assert process.stdout is not None  # noqa: S101 - asked for with PIPE
        rest = b""
        while data := await process.stdout.read(_CHUNK):
            self._serial.append(data)
            *whole, rest = (rest + data).split(b"\n")
            rest = rest[-_MAX_LINE:]
            async with self._news:
                for text in whole:
                    self._lines.append(Line(self._count, text.decode("ascii", "backslashreplace").rstrip("\r")))
                    self._count += 1
                del self._lines[:-_MAX_KEPT_LINES]
                self._news.notify_all()
        code = await process.wait()
        await asyncio.wait([errors])
        async with self._news:
            self._ended = last_words(bytes(self._errors), code)
            self._news.notify_all()
        if process is self._process:
            _log.warning("board stopped by itself board=%s reason=%s", self._folder.name, self._ended)

    async def _read_errors(self, process: Process) -> None:
        assert process.stderr is not None  # noqa: S101 - asked for with PIPE
        while data := await process.stderr.read(_CHUNK):
            self._errors += data[: _MAX_ERROR_TEXT - len(self._errors)]


def machine_command(board: str, folder: Path, executable: str, serial: str, *, counts_instructions: bool) -> list[str]:
    """The command that is a board whose files are in `folder`; `serial` is where its console goes, as QEMU has it."""
    flash = escaped(folder / FLASH)
    port = _sensor_port(folder / FLASH)
    sensors = f",hostfwd=udp:127.0.0.1:{port}-:{port}" if port else ""
    return [
        *(executable, "-nographic", "-monitor", "none", "-serial", serial, "-nic", f"user,ipv6=off{sensors}"),
        *("-object", f"memory-backend-file,id=flash,size={FLASH_BYTES},mem-path={flash},share=on"),
        *("-M", f"{_MACHINES[board]},memory-backend=flash"),
        *(("-icount", "shift=0") if counts_instructions else ()),
        *("-kernel", str((folder / BOOTLOADER).resolve())),
    ]


def _sensor_port(flash: Path) -> int:
    """0 also where there is no page that can be read: the board itself says so when it has power."""
    try:
        return _page(flash).sensor_port
    except (OSError, BadProvisioningError):
        return 0


def _page(flash: Path) -> Provisioning:
    with flash.open("rb") as file:
        file.seek(PROVISIONING)
        return Provisioning.decode(file.read(PAGE_BYTES))
