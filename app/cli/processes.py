"""Programs that the demo starts and surely ends: each has a session and a log of its own and dies with this one."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import app
from app.cli.errors import ExitCode
from edge import tether

GRACE_SECONDS = 15.0
_LOOK_SECONDS = 0.05
_TAIL_BYTES = 64 * 1024
ROOT = Path(app.__file__).parents[1]
"""Where `python -m` finds our packages, installed or not."""


class Interruptions:
    """SIGINT, SIGTERM and SIGHUP as exceptions, but not while a process is being started or stopped."""

    def __init__(self) -> None:
        self._held = 0
        self._pending: int | None = None
        self._before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._arrived)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """What arrives inside is raised at the end."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        self._raise_pending()

    def forget(self) -> None:
        """Drop what arrived: the end is at hand anyway."""
        self._pending = None

    def _arrived(self, number: int, _frame: FrameType | None) -> None:
        self._pending = number
        self._raise_pending()

    def _raise_pending(self) -> None:
        if self._held or self._pending is None:
            return
        number, self._pending = self._pending, None
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(ExitCode.TERMINATED if number == signal.SIGTERM else 128 + number)


@dataclass(frozen=True)
class Program:
    """A running program of ours."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    def alive(self) -> bool:
        """Whether it runs; a program that ended is not reaped yet, so that its number stays its own."""
        return self.process.returncode is None and not _ended(self.process.pid)

    def tail(self, lines: int = 15) -> list[str]:
        """The last lines of its log."""
        with self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()[-lines:]

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """SIGTERM, then after the grace SIGKILL to its whole session; returns when nothing of it is left."""
        if self.process.returncode is not None:
            return
        deadline = time.monotonic() + grace_seconds
        if self.alive():
            self.process.terminate()
        while self.alive() and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        # The leader is not reaped before: until then no other process group can have its number.
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class Programs:
    """Programs by the order of their start; leaving the block stops them in the opposite order, whatever arrives."""

    interruptions: Interruptions
    running: list[Program] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with self.interruptions.held():
            for program in reversed(self.running):
                program.stop()
            self.interruptions.forget()

    def start(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Program:
        """Start a command; the kernel kills it should this process be killed."""
        # Both in the same breath: a program that runs is one that will be stopped.
        with self.interruptions.held(), log.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), *command],
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            program = Program(name, log, process)
            self.running.append(program)
        return program

    def dead(self) -> Program | None:
        """The first program that has ended by itself."""
        return next((program for program in self.running if not program.alive()), None)


class FreePort:
    """A loopback port that nobody else gets, because a socket holds it until `release`."""

    def __init__(self, kind: socket.SocketKind) -> None:
        self._holder = socket.socket(socket.AF_INET, kind)
        self._holder.bind(("127.0.0.1", 0))
        self.number: int = self._holder.getsockname()[1]

    def release(self) -> int:
        """Give it up, right before the program that is to have it starts."""
        self._holder.close()
        return self.number


def _ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
