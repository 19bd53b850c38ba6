"""Runs programs, some at the same time; what is left of them dies with the build."""

import os
import selectors
import signal
import subprocess
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from compiler.errors import Code, CompileError

_AT_ONCE = 2  # a build has two processors
_CHUNK = 65536


@dataclass(slots=True)
class Process:
    """A program in a session of its own, so that its children end with it; its output is bytes of a pipe."""

    popen: subprocess.Popen[bytes]
    output: bytearray = field(default_factory=bytearray)
    ended: bool = False
    """It closed its output, which is by itself and not by `kill`."""

    @classmethod
    def start(cls, command: Sequence[str], folder: Path) -> "Process":
        """Starts it in the folder, with nothing of the environment but the PATH."""
        try:
            return cls(
                subprocess.Popen(
                    command,
                    cwd=folder,
                    env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TMPDIR": str(folder)},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        except FileNotFoundError as error:
            raise CompileError(
                Code.COMPILER_FAILED, f"{command[0]} is not on the PATH", "Install gcc-arm-none-eabi."
            ) from error

    @property
    def pipe(self) -> IO[bytes]:
        """Where its output comes from."""
        assert self.popen.stdout is not None  # noqa: S101 - asked for with PIPE
        return self.popen.stdout

    def read(self) -> bytes:
        """The next bytes, as they come; none at the end."""
        data = os.read(self.pipe.fileno(), _CHUNK)
        self.output += data
        self.ended = not data
        return data

    def text(self) -> str:
        """All that was read."""
        return self.output.decode(errors="replace")

    def kill(self) -> None:
        """Ends it and its children."""
        if self.popen.poll() is None:
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        self.pipe.close()


def run_all(commands: Sequence[Sequence[str]], folder: Path) -> list[Process]:
    """Runs them to their end, in whatever order."""
    started: list[Process] = []
    waiting = deque(commands)
    with selectors.DefaultSelector() as running:
        try:
            while waiting or running.get_map():
                while waiting and len(running.get_map()) < _AT_ONCE:
                    started.append(Process.start(waiting.popleft(), folder))
                    running.register(started[-1].pipe, selectors.EVENT_READ, started[-1])
                for key, _ in running.select():
                    process: Process = key.data
                    if not process.read():
                        process.popen.wait()
                        running.unregister(process.pipe)
        finally:
            for process in started:
                process.kill()
    return started
