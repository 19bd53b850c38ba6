"""What tests/conftest.py promises holds for a small suite of its own: order, missing capabilities, sockets, ports."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = {
    "e2e/test_server.py": "def test_last(): pass",
    "integration/test_board.py": """
import socket
import pytest

@pytest.mark.qemu
def test_emulates(): pass

@pytest.mark.docker
def test_contains(): pass

def test_holds_its_port(reserve_udp_port):
    port = reserve_udp_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        with pytest.raises(OSError):
            other.bind(("127.0.0.1", port.number))
        other.bind(("127.0.0.1", port.release()))
""",
    "unit/test_rules.py": """
import socket

def test_computes(): pass

def test_connects():
    socket.create_connection(("127.0.0.1", 9))
""",
}
INI = "[pytest]\naddopts = --import-mode=importlib\nmarkers =\n    qemu: needs QEMU\n    docker: needs Docker\n"


@pytest.fixture(scope="module", params=["true", ""], ids=["in CI", "at a desk"])
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, root: Path
) -> tuple[str, list[tuple[str, str]], str]:
    """The value of CI, each test with its outcome in the order of the run, and all that pytest printed."""
    folder = tmp_path_factory.mktemp("suite")
    for name, text in SUITE.items():
        (folder / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "tests" / name).write_text(text)
    shutil.copy(root / "tests" / "conftest.py", folder / "tests")
    (folder / "pytest.ini").write_text(INI)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-p", "no:asyncio", "tests"],
        # No program is found on this PATH, and no engine at this address.
        env={"PATH": "", "DOCKER_HOST": "unix:///nonexistent", "CI": request.param, "PYTHONPATH": str(root)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"::(\w+) (PASSED|FAILED|SKIPPED|ERROR)", done.stdout.partition("short test summary")[0])
    return request.param, found, done.stdout


def test_quick_folders_run_first(outcomes: tuple[str, list[tuple[str, str]], str]) -> None:
    order = [name for name, _ in outcomes[1]]
    assert order == [
        "test_computes",
        "test_connects",
        "test_emulates",
        "test_contains",
        "test_holds_its_port",
        "test_last",
    ], outcomes[2]


def test_what_is_missing_is_an_error_in_ci_and_a_skip_at_a_desk(
    outcomes: tuple[str, list[tuple[str, str]], str],
) -> None:
    ci, found, printed = outcomes
    expected = "ERROR" if ci else "SKIPPED"
    assert dict(found)["test_emulates"] == expected, printed
    assert dict(found)["test_contains"] == expected, printed
    assert "qemu-system-arm is not installed; run tools/setup test" in printed or not ci


def test_a_unit_test_that_opens_a_socket_fails(outcomes: tuple[str, list[tuple[str, str]], str]) -> None:
    _, found, printed = outcomes
    assert dict(found)["test_connects"] == "FAILED"
    assert "a test in tests/unit opens no socket" in printed


def test_a_reserved_port_is_nobody_elses_until_it_is_released(
    outcomes: tuple[str, list[tuple[str, str]], str],
) -> None:
    assert dict(outcomes[1])["test_holds_its_port"] == "PASSED", outcomes[2]
