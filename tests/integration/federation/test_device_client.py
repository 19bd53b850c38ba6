"""The client as a process: killed with kill -9 in the middle of its training; without TensorFlow, and small."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.federation_fake import FEDERATION, TOKEN, FederationFake
from tests.support.trainable_digits import WHOLE, write

ROOT = Path(__file__).parents[3]
MAX_RESIDENT_MB = 160
EPOCHS = 400
"""About a second of training."""
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


class Client:
    """`tinymlaas federate client` with a folder of its own."""

    def __init__(self, folder: Path, server: str) -> None:
        self.folder = folder
        folder.mkdir()
        self._token = folder / "token"
        self._token.write_text(TOKEN + "\n")
        self._token.chmod(0o600)
        write(folder / "local.npz", slice(0, 320), turned=True)
        self._server = server

    def start(self, *options: str) -> subprocess.Popen[str]:
        words = ["--json", "federate", "client", "--server", self._server, "--federation", FEDERATION]
        words += ["--token-file", str(self._token), "--data", str(self.folder / "local.npz")]
        words += ["--state", str(self.folder / "state"), "--checkpoint-seconds", "0.05", "--give-up-seconds", "20"]
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *words, *options],
            cwd=ROOT,
            env={"PATH": os.defpath, "HOME": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *options: str) -> list[dict[str, Any]]:
        """To the end; what it said, line by line."""
        with self.start(*options) as process:
            out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        said: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
        return said


@pytest.fixture
def fake() -> FederationFake:
    found = FederationFake(WHOLE.read_bytes(), rounds=2)
    found.training["epochs"] = EPOCHS
    return found


@pytest.fixture
def server(fake: FederationFake) -> Iterator[str]:
    with fake.serve() as url:
        yield url


def test_003_9_the_client_of_a_device_needs_no_tensorflow_and_little_memory(
    fake: FederationFake, server: str, tmp_path: Path
) -> None:
    fake.training["epochs"] = 30
    *rounds, ended, process = Client(tmp_path / "device", server).run()
    assert ended == {"ended": "done", "handed_over": 2}
    assert [(part["round"], part["samples"], part["steps"]) for part in rounds] == [(1, 320, 600), (2, 320, 600)]
    assert rounds[0]["before"] < 0.4
    assert rounds[-1]["after"] > 0.9
    assert (process["code"], process["modules"]) == (0, [])
    assert process["resident_kb"] < MAX_RESIDENT_MB * 1024, process
    assert len(fake.taken) == 2


def test_003_6_a_client_killed_in_the_middle_of_its_training_goes_on_and_sends_the_same_bytes(
    fake: FederationFake, server: str, tmp_path: Path
) -> None:
    killed = Client(tmp_path / "killed", server)
    checkpoint = killed.folder / "state" / "checkpoint.npz"
    kills = 0
    for _ in range(2):
        with killed.start("--rounds", "1") as process:
            before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
            while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
                assert process.poll() is None, process.communicate()
                time.sleep(0.002)
            process.kill()
        kills += fake.bodies == []
    assert kills == 2, "both times it was still training"
    said = killed.run("--rounds", "1")
    assert said[-2] == {"ended": "rounds", "handed_over": 1}
    assert said[0]["steps"] == 20 * EPOCHS
    other = FederationFake(WHOLE.read_bytes(), rounds=2)
    other.training["epochs"] = EPOCHS
    with other.serve() as url:
        Client(tmp_path / "undisturbed", url).run("--rounds", "1")
    assert fake.bodies == other.bodies
    assert len(fake.bodies) == 1
