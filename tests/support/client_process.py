"""`tinymlaas federate client` as a process of its own, for tests that must see what a user sees, and may kill it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.support.trainable_digits import write

ROOT = Path(__file__).parents[2]
# Runs the command, and tells on the last line what the process has become.
_PROGRAM = """
import json, sys
from app.cli.root import app
try:
    app()
except SystemExit as end:
    with open("/proc/self/status") as file:
        lines = file.read()
    peak = int(lines.split("VmHWM:")[1].split()[0])
    heavy = ("tensorflow", "keras", "sklearn", "scipy", "sqlmodel", "docker")
    modules = [name for name in heavy if name in sys.modules]
    print(json.dumps({"code": end.code, "modules": modules, "resident_kb": peak}))
"""


class ClientProcess:
    """One client, with digits of its own and a folder for everything that it keeps."""

    def __init__(self, folder: Path, server: str, federation: str, token: str, rows: slice, *, turned: bool) -> None:
        self.folder = folder
        folder.mkdir()
        self._token = folder / "token"
        self._token.write_text(token + "\n")
        self._token.chmod(0o600)
        write(folder / "local.npz", rows, turned=turned)
        self._server, self._federation = server, federation

    @property
    def checkpoint(self) -> Path:
        """There while it trains."""
        return self.folder / "state" / "checkpoint.npz"

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Start it."""
        words = ["--json", "federate", "client", "--server", self._server, "--federation", self._federation]
        words += ["--token-file", str(self._token), "--data", str(self.folder / "local.npz")]
        words += ["--state", str(self.folder / "state"), "--checkpoint-seconds", "0.05", "--give-up-seconds", "60"]
        words += ["--poll-seconds", "0.2"]
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *words, *options],
            cwd=ROOT,
            env={"PATH": os.defpath, "HOME": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def kill_in_training(self, *options: str) -> None:
        """Start it, and kill -9 as soon as it has trained a little further than before."""
        with self.start(*options) as process:
            before = self._written()
            while self._written() == before:
                assert process.poll() is None, process.communicate()
                time.sleep(0.002)
            process.kill()

    def run(self, *options: str) -> list[dict[str, Any]]:
        """To the end; what it said, line by line."""
        return self.ended(self.start(*options))

    def ended(self, process: subprocess.Popen[str]) -> list[dict[str, Any]]:
        """What a process said, line by line, once it has ended."""
        with process:
            out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        said: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
        return said

    def _written(self) -> int:
        return self.checkpoint.stat().st_mtime_ns if self.checkpoint.exists() else 0
