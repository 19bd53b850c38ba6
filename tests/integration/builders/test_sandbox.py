"""What a builder may not do in its container, tried by one that attempts it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from builders.errors import BuilderCrashedError, OutOfMemoryError

pytestmark = pytest.mark.docker

# The fixtures' types are defined in conftest.py, which a test cannot import by name.
Bench = Any


def test_a_builder_has_no_network_no_rights_and_no_place_to_write_but_its_own(docker_bench: Bench) -> None:
    log: list[str] = []
    docker_bench.run(
        """\
        echo user=$(id -u):$(id -g)
        echo interfaces=$(ls /sys/class/net)
        grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'
        for place in / /etc /usr /in /root /var/tmp; do touch $place/x 2>/dev/null && echo wrote $place; done
        for place in /out /work /tmp /dev/shm; do touch $place/x && rm $place/x || echo could not write $place; done
        printf '#!/bin/sh\\necho ran' > /work/tool && chmod +x /work/tool && /work/tool
        cp /work/tool /tmp/tool && /tmp/tool 2>/dev/null || echo /tmp is noexec
        cp /work/tool /out/tool && /out/tool 2>/dev/null || echo /out is noexec
        unshare -m true 2>/dev/null || echo no unshare
        mount -t tmpfs none /work 2>/dev/null || echo no mount
        echo $PWD $HOME $SOURCE_DATE_EPOCH $(hostname)
        rm /out/tool
        succeed
        """,
        on_log=log.append,
    )
    assert log == [
        "user=65532:65532",
        "interfaces=lo",
        "CapEff:0000000000000000",
        "CapBnd:0000000000000000",
        "NoNewPrivs:1",
        "Seccomp:2",
        "ran",
        "/tmp is noexec",  # noqa: S108 - inside the container
        "/out is noexec",
        "no unshare",
        "no mount",
        "/work /work 1767225600 builder",
    ]


def test_the_images_own_healthcheck_does_not_run(docker_bench: Bench) -> None:
    # The probe's would touch /out/healthcheck every second.
    log: list[str] = []
    docker_bench.run("sleep 2.2; ls /out; succeed", on_log=log.append)
    assert log == []


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("tail /dev/zero; succeed", id="and a child of the builder was it, so that the exit code is 0"),
        pytest.param("exec tail /dev/zero", id="and the builder itself was it"),
    ],
)
def test_a_build_that_uses_up_its_memory_is_out_of_memory(docker_bench: Bench, script: str) -> None:
    with pytest.raises(OutOfMemoryError) as caught:
        docker_bench.run(script)
    assert caught.value.code == "out_of_memory"


def test_a_fork_bomb_stops_at_the_process_limit_and_is_removed(docker_bench: Bench) -> None:
    log: list[str] = []
    began = time.monotonic()
    with pytest.raises(BuilderCrashedError, match="exit code 5 "):
        # The last shell counts without starting another program: it could not.
        docker_bench.run("(while :; do sleep 30 & done); set -- /proc/[0-9]*; echo $#; exit 5", on_log=log.append)
    assert time.monotonic() - began < 10
    # Two lines, in no certain order: they come through two pipes.
    count, complaint = sorted(log, key=len)
    assert "Cannot fork" in complaint
    assert docker_bench.limits.pids - 2 <= int(count) <= docker_bench.limits.pids
