"""A server that was killed in the middle of a build, and the one that comes after it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Any

import pytest

from builders import keeper, sandbox
from builders.errors import TimedOutError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import docker

pytestmark = pytest.mark.docker

# The fixtures' types are defined in conftest.py, which a test cannot import by name.
Bench = Any

SCRIPT = "cat /proc/sys/kernel/random/uuid; sleep 2; succeed"


@pytest.fixture
def killed_server(docker_bench: Bench, tmp_path: Path) -> Callable[..., str]:
    """Run a build in another process, kill -9 it at the first line of the log, and return that line."""

    def kill(script: str, limits: Any) -> str:
        work = docker_bench.build_input(script)
        program = textwrap.dedent(
            f"""\
            from builders.docker_runner import DockerRunner
            from builders.engine import connect
            from builders.runner import BuildInput, Limits, Order
            DockerRunner(connect(), server_id={docker_bench.runner.server_id!r}).run(
                Order(
                    "job", {docker_bench.image_id!r}, {work!r}, {limits!r},
                    on_log=lambda line: print(line, flush=True),
                )
            )
            """
        )
        path = tmp_path / "server.py"
        path.write_text(program)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(
            [sys.executable, str(path)], stdout=subprocess.PIPE, text=True, env=environment
        ) as server:
            assert server.stdout is not None
            line = server.stdout.readline().strip()
            server.kill()
        assert line
        return line

    return kill


def labelled(engine: docker.DockerClient, bench: Bench) -> list[Any]:
    label = f"{sandbox.LABEL_SERVER}={bench.runner.server_id}"
    return engine.containers.list(all=True, filters={"label": label})


def test_the_same_build_is_taken_over_where_it_stands(
    docker_bench: Bench, killed_server: Any, engine: docker.DockerClient
) -> None:
    first = killed_server(SCRIPT, docker_bench.limits)
    assert len(labelled(engine, docker_bench)) == 2
    log: list[str] = []
    output = docker_bench.run(SCRIPT, job_id="job", on_log=log.append)
    assert log == [first]
    assert output.files == {"firmware.bin": docker_bench.firmware}


def test_a_build_that_ended_meanwhile_is_collected(docker_bench: Bench, killed_server: Any) -> None:
    first = killed_server("cat /proc/sys/kernel/random/uuid; succeed", docker_bench.limits)
    time.sleep(0.5)
    log: list[str] = []
    output = docker_bench.run("cat /proc/sys/kernel/random/uuid; succeed", job_id="job", on_log=log.append)
    assert log == [first]
    assert output.files == {"firmware.bin": docker_bench.firmware}


def test_a_build_of_other_input_is_removed_and_started_anew(docker_bench: Bench, killed_server: Any) -> None:
    first = killed_server(SCRIPT, docker_bench.limits)
    log: list[str] = []
    docker_bench.run("echo another; succeed", job_id="job", on_log=log.append)
    assert log == ["another"]
    assert first not in log


def test_the_time_that_went_by_counts(docker_bench: Bench, killed_server: Any) -> None:
    limits = docker_bench.with_seconds(2)
    killed_server("echo started; sleep 60", limits)
    time.sleep(1)
    began = time.monotonic()
    with pytest.raises(TimedOutError):
        docker_bench.run("echo started; sleep 60", job_id="job", limits=limits)
    assert time.monotonic() - began < 2.5


def test_reaping_takes_the_dead_jobs_and_spares_the_live(
    docker_bench: Bench, killed_server: Any, engine: docker.DockerClient
) -> None:
    killed_server(SCRIPT, docker_bench.limits)
    assert docker_bench.runner.reap({"job"}) == []
    assert len(labelled(engine, docker_bench)) == 2
    assert docker_bench.runner.reap(frozenset()) == ["job"]
    assert labelled(engine, docker_bench) == []


def test_the_keeper_sleeps_until_it_is_killed(engine: docker.DockerClient) -> None:
    container = engine.containers.create(keeper.ensure_image(engine), network_mode="none")
    try:
        container.start()
        time.sleep(0.3)
        stats = container.stats(stream=False)
        assert stats["pids_stats"]["current"] == 1
        container.reload()
        assert container.status == "running"
    finally:
        container.remove(force=True, v=True)
