"""Malformed datagrams at the device OS: answered or dropped, and never more than that."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support import device_os


@pytest.fixture(scope="module")
def fuzzer(
    tmp_path_factory: pytest.TempPathFactory,
    sanitizers: None,  # noqa: ARG001 - asked for, not used
) -> Path:
    return device_os.compile_fuzzer(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("seed", [1, 2])
def test_30_000_malformed_datagrams_leave_the_device_working(fuzzer: Path, seed: int) -> None:
    run = subprocess.run([str(fuzzer), str(seed), "30000"], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    counts = json.loads(run.stdout)
    # The cases reach all of it: what is good is answered, what is bad is refused, what is nothing is reset.
    assert min(counts["requests"], counts["resets"], counts["success"], counts["client_errors"]) > 100, counts
