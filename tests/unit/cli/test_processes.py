"""What the demo starts is surely ended, and nothing else."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.cli.processes import ROOT, Interruptions, Program, Programs

STUBBORN_WITH_CHILD = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid)
print("up", flush=True)
time.sleep(60)
"""
OBEDIENT = """
import signal, sys, time
def stop(*_):
    print(time.monotonic())
    sys.exit()
signal.signal(signal.SIGTERM, stop)
print("up", flush=True)
time.sleep(60)
"""
PARENT = """
import os, sys, time
from pathlib import Path
from app.cli.processes import Interruptions, Programs
with Interruptions() as interruptions, Programs(interruptions) as programs:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    program = programs.start("sleeper", command, Path(sys.argv[1]), os.environ)
    print(program.process.pid, flush=True)
    while True:  # a signal right before one long sleep is seen after it only
        time.sleep(0.1)
"""


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def _wait_until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):  # gone before it was opened, or before it was read
        return False


@pytest.fixture
def programs() -> Iterator[Programs]:
    with Interruptions() as interruptions, Programs(interruptions) as started:
        yield started


def _start(programs: Programs, log: Path, code: str) -> Program:
    return programs.start("program", _python(code), log, os.environ)


def test_a_program_that_ends_by_itself_is_noticed_with_its_last_words(programs: Programs, tmp_path: Path) -> None:
    program = _start(programs, tmp_path / "log", "print('one'); print('two'); raise SystemExit('no port')")
    _wait_until(lambda: programs.dead() is program)
    assert sorted(program.tail()) == ["no port", "one", "two"]


def test_a_program_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    with Interruptions() as interruptions, Programs(interruptions) as programs:
        program = _start(programs, tmp_path / "log", STUBBORN_WITH_CHILD)
        _wait_until(lambda: "up" in program.tail())
        child = int(program.tail()[0])
        assert _running(child)
        program.stop(grace_seconds=0.2)
    assert program.process.returncode == -signal.SIGKILL
    _wait_until(lambda: not _running(child))


def test_stopping_goes_backwards_and_waits(tmp_path: Path) -> None:
    with Interruptions() as interruptions, Programs(interruptions) as programs:
        started = [_start(programs, tmp_path / name, OBEDIENT) for name in ("first", "second")]
        _wait_until(lambda: all("up" in program.tail() for program in started))
    first, second = (float(program.tail()[-1]) for program in started)
    assert second < first
    assert [program.process.returncode for program in started] == [0, 0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_signal_to_the_parent_leaves_a_program_behind(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [*_python(PARENT), str(tmp_path / "log")], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert _running(child)
        parent.send_signal(number)
        code = parent.wait(timeout=20)
    _wait_until(lambda: not _running(child))
    expected = {signal.SIGINT: -signal.SIGINT, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGKILL: -9}
    assert code == expected[number]


def test_a_signal_that_comes_while_it_is_held_is_raised_afterwards() -> None:
    passed: list[None] = []
    before = signal.getsignal(signal.SIGINT)
    with Interruptions() as interruptions:
        with pytest.raises(KeyboardInterrupt), interruptions.held():
            passed.append(os.kill(os.getpid(), signal.SIGINT))
        assert passed == [None]
    assert signal.getsignal(signal.SIGINT) == before
