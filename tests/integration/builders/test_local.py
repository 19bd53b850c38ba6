"""What is special about the runner without an engine."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from builders.errors import BuilderCrashedError, ImageNotFoundError

# The fixtures' types are defined in conftest.py, which a test cannot import by name.
Bench = Any


def test_it_takes_no_partners_image(local_bench: Bench) -> None:
    with pytest.raises(ImageNotFoundError, match="without a Docker Engine"):
        local_bench.runner.inspect("registry.example/partner/builder:1.0")


def test_a_build_does_not_see_the_servers_environment(local_bench: Bench) -> None:
    log: list[str] = []
    local_bench.run("env | cut -d= -f1 | grep -v -e '^_$' -e '^SHLVL$' | sort; succeed", on_log=log.append)
    # IN and OUT are the probe's own, PWD the shell's, LC_CTYPE Python's where the locale is C.
    assert set(log) - {"LC_CTYPE"} == {"HOME", "IN", "OUT", "PATH", "PWD", "SOURCE_DATE_EPOCH", "TMPDIR"}


def test_a_process_cannot_take_more_memory_than_it_may(local_bench: Bench) -> None:
    with pytest.raises(BuilderCrashedError):
        local_bench.run("exec tail /dev/zero")


def test_a_child_that_outlives_the_build_is_ended(local_bench: Bench, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    local_bench.run(f"sleep 60 & echo $! > {note}; succeed")
    assert ends(int(note.read_text()))


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone before it was opened, or before it was read
        return False


def ends(pid: int) -> bool:
    """Whether a process that was sent SIGKILL ends, which the kernel does in its own time."""
    deadline = time.monotonic() + 5
    while running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not running(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
def test_a_killed_server_takes_its_build_along_and_reaping_removes_the_files(
    local_bench: Bench, tmp_path: Path
) -> None:
    program = tmp_path / "server.py"
    work = local_bench.build_input("echo $$; exec sleep 60")
    program.write_text(
        textwrap.dedent(
            f"""\
            from pathlib import Path
            from builders.local import LocalRunner
            from builders.runner import BuildInput, Order
            folder, source = {str(local_bench.runner._folder)!r}, {str(local_bench.runner._source)!r}
            runner = LocalRunner(Path(folder), source=Path(source))
            runner.run(
                Order(
                    "job", {local_bench.image_id!r}, {work!r}, on_log=lambda line: print(line, flush=True),
                )
            )
            """
        )
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        assert running(pid)
        server.kill()
    assert ends(pid)
    assert local_bench.runner.reap({"job"}) == []
    assert local_bench.runner.reap(frozenset()) == ["job"]
