"""Emulated boards with the device OS that outlive the command that started them: a folder and a process each.

    <folder>/<endpoint>/   board.json  what it is; its key is in the flash alone
                           flash.bin, bootloader.bin, serial.log  as edge.os_board has them
                           process.json  the machine's process, while it was last started and not stopped

A process is known by its id and the moment of its start, so a number that was given to another process since is left
alone. Every board has a lock, which whoever starts or stops it holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import BoardMissingError, BoardStateError
from edge.files import write_durably
from edge.os_board import CONSOLE, FLASH, OsBoard, machine_command
from edge.qemu import MAX_SERIAL_LOG, escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.provisioning import Provisioning

EXECUTABLE = "qemu-system-arm"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_ENDS_SECONDS = 10.0
_LOOK_SECONDS = 0.02
_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600


@dataclass(frozen=True, slots=True)
class BoardRecord:
    """What a board was made as."""

    endpoint: str
    board: str
    server: str
    model: str
    firmware_version: str
    counts_instructions: bool = False  # as OsBoard has it


@dataclass(frozen=True, slots=True)
class MachineProcess:
    """A process, and when it started in clock ticks since the boot of the host."""

    pid: int
    started: int


class FleetBoard:
    """One board of a fleet. Raises BoardStateError for what its state does not allow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = folder / "process.json"

    @property
    def endpoint(self) -> str:
        """Its name."""
        return self.folder.name

    @property
    def console(self) -> Path:
        """What its UART said."""
        return self.folder / CONSOLE

    @property
    def exists(self) -> bool:
        """Whether it was manufactured."""
        return (self.folder / "board.json").exists()

    @property
    def pid(self) -> int | None:
        """The process of its machine; None while it is off."""
        process = self._known()
        return process.pid if process is not None and _start_of(process.pid) == process.started else None

    def record(self) -> BoardRecord:
        """What it was made as."""
        try:
            return BoardRecord(**json.loads((self.folder / "board.json").read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise BoardStateError(f"There is no board {self.endpoint} in {self.folder.parent}.") from error

    def manufacture(self, record: BoardRecord, bootloader: bytes, firmware: bytes, page: Provisioning) -> None:
        """Make its flash: factory firmware and the provisioning page; the key is nowhere else."""
        with self._alone():
            if self.exists:
                raise BoardStateError(f"Board {self.endpoint} was manufactured already.")
            OsBoard(self.folder, board=record.board).manufacture(bootloader, firmware, page)
            (self.folder / FLASH).chmod(_PRIVATE_FILE)
            write_durably(self.folder / "board.json", json.dumps(asdict(record)).encode())

    def start(self) -> int:
        """Give it power; returns the machine's process id."""
        with self._alone():
            if self.pid is not None:
                raise BoardStateError(f"Board {self.endpoint} runs already.")
            return self._start()

    def stop(self) -> bool:
        """Take its power for good; its flash is kept. False when it was off."""
        with self._alone():
            return self._kill()

    def cut(self, seconds: float) -> int:
        """Take its power in the midst of whatever it does, and give it back after a while."""
        with self._alone():
            if not self._kill():
                raise BoardStateError(f"Board {self.endpoint} is off.")
            time.sleep(seconds)
            return self._start()

    def remove(self) -> None:
        """Throw it away, flash and all."""
        with self._alone():
            self._kill()
            shutil.rmtree(self.folder)

    def _start(self) -> int:
        record = self.record()
        executable = shutil.which(EXECUTABLE)
        if executable is None:
            raise BoardMissingError(f"{EXECUTABLE} is not installed: it is the board.")
        if self.console.exists() and self.console.stat().st_size > MAX_SERIAL_LOG:
            self.console.replace(self.console.with_name(f"{CONSOLE}.1"))
        command = machine_command(
            record.board,
            self.folder,
            executable,
            "chardev:console",
            counts_instructions=record.counts_instructions,
        )
        command += ["-chardev", f"file,id=console,path={escaped(self.console)},append=on"]
        with (self.folder / "machine.log").open("wb") as errors:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=self.folder,
                start_new_session=True,  # a Ctrl-C at the terminal is not for it
            )
        with contextlib.suppress(ProcessLookupError):  # a firmware that locks up aborts QEMU: no core file for that
            resource.prlimit(process.pid, resource.RLIMIT_CORE, (0, 0))
        started = _start_of(process.pid)
        if started is None:
            raise BoardStateError(f"Board {self.endpoint} did not start; read {self.folder / 'machine.log'}.")
        write_durably(self._process, json.dumps(asdict(MachineProcess(process.pid, started))).encode())
        return process.pid

    def _kill(self) -> bool:
        """Kill the machine and wait until it is gone; False when there is none."""
        process = self._known()
        killed = process is not None and _kill(process)
        self._process.unlink(missing_ok=True)
        return killed

    def _known(self) -> MachineProcess | None:
        try:
            return MachineProcess(**json.loads(self._process.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


class Fleet:
    """The boards in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def board(self, endpoint: str) -> FleetBoard:
        """A board by its name, made already or not."""
        if not NAME.fullmatch(endpoint):
            raise BoardStateError(f"{endpoint!r} is no name of a board: lower-case letters, digits and hyphens.")
        return FleetBoard(self.folder / endpoint)

    def boards(self) -> list[FleetBoard]:
        """Every board, by name: board-2 before board-10."""
        if not self.folder.is_dir():
            return []
        found = [FleetBoard(path) for path in self.folder.iterdir() if NAME.fullmatch(path.name)]
        return sorted((board for board in found if board.exists), key=lambda board: _natural(board.endpoint))


def _natural(name: str) -> list[tuple[bool, int, str]]:
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", name)]


def _kill(process: MachineProcess) -> bool:
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    try:
        # The handle is of one process for ever; that it is ours is looked at after it was opened.
        if _start_of(process.pid) != process.started:
            return False
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    finally:
        os.close(handle)
    deadline = time.monotonic() + _ENDS_SECONDS
    while _start_of(process.pid) == process.started:
        if time.monotonic() > deadline:
            raise BoardStateError(f"Process {process.pid} does not end.")
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)  # ours, when this process also started it
        time.sleep(_LOOK_SECONDS)
    return True


def _start_of(pid: int) -> int | None:
    """When a process started; None when there is none, or only its remains."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else int(fields[19])
