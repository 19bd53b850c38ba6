"""Emulated boards with the device OS that outlive the command that started them: a folder and a process each.

    <folder>/<endpoint>/   board.json  what it is; its key is in the flash alone
                           flash.bin, bootloader.bin, serial.log  as edge.os_board has them
                           machine.pid  the machine's process, written by the machine itself

So a machine is known however early whoever started it died. Its process is one that was told to write this very file:
a number that was given to another process since is left alone. Every board has a lock, which whoever starts or stops it
holds.
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
_STARTS_SECONDS, _ENDS_SECONDS = 10.0, 10.0
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


class FleetBoard:
    """One board of a fleet. Raises BoardStateError for what its state does not allow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pid_file = folder.resolve() / "machine.pid"  # the same by whichever way the folder is found

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
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError):
            return None
        return pid if self._is_machine(pid) else None

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
        command += ["-pidfile", str(self._pid_file)]
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
        deadline = time.monotonic() + _STARTS_SECONDS
        while self.pid != process.pid:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise BoardStateError(f"Board {self.endpoint} did not start; read {self.folder / 'machine.log'}.")
            time.sleep(_LOOK_SECONDS)
        return process.pid

    def _kill(self) -> bool:
        """Kill the machine and wait until it is gone; False when there is none."""
        pid = self.pid
        if pid is None:
            return False
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            # The handle is of one process for ever; that it is the machine is looked at after it was opened.
            if not self._is_machine(pid):
                return False
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)
        deadline = time.monotonic() + _ENDS_SECONDS
        while self._is_machine(pid):
            if time.monotonic() > deadline:
                raise BoardStateError(f"Process {pid} does not end.")
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # ours, when this process also started it
            time.sleep(_LOOK_SECONDS)
        return True

    def _is_machine(self, pid: int) -> bool:
        """Whether that process was started as this board; of one that ended the command line is empty."""
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return False
        return os.fsencode(self._pid_file) in command.split(b"\0")

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
