"""A test run removes from the engine what its own servers left, and nothing of anybody else."""

import io
import shutil
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from builders.engine import connect
from builders.sandbox import Labels

ROOT = Path(__file__).parents[3]
# A server's container, left behind as by kill -9: the test names the server in its data folder and ends.
SUITE = """
import docker

def test_a_server_was_killed(tmp_path):
    (tmp_path / "server-id").write_text("{server}")
    client = docker.from_env()
    client.containers.create("{image}", ["/x"], labels={labels!r})
    client.close()
"""


@pytest.fixture
def engine() -> Iterator[docker.DockerClient]:
    client = connect()
    yield client
    client.close()


@pytest.fixture
def empty_image(engine: docker.DockerClient) -> Iterator[str]:
    tag = f"tinymlaas-test:{uuid.uuid4().hex[:12]}"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w"):
        pass
    engine.api.import_image_from_data(archive.getvalue(), repository=tag.partition(":")[0], tag=tag.partition(":")[2])
    yield tag
    engine.images.remove(tag, force=True)


@pytest.mark.docker
def test_only_the_containers_of_the_runs_own_servers_are_removed(
    engine: docker.DockerClient, empty_image: str, tmp_path: Path
) -> None:
    ours, foreign = (Labels(uuid.uuid4().hex[:16], "job", "input").of("builder") for _ in range(2))
    (tmp_path / "tests" / "e2e").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path / "tests")
    suite = SUITE.format(server=ours["tinymlaas.server"], image=empty_image, labels=ours)
    (tmp_path / "tests" / "e2e" / "test_kill.py").write_text(suite)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    bystander = engine.containers.create(empty_image, ["/x"], labels=foreign)
    try:
        argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"]
        done = subprocess.run(
            [*argv, "--basetemp", str(tmp_path / "base"), "tests"],
            cwd=tmp_path,
            env={"PATH": "", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        left = {
            c.labels["tinymlaas.server"] for c in engine.containers.list(all=True, filters={"ancestor": empty_image})
        }
        assert left == {foreign["tinymlaas.server"]}
    finally:
        bystander.remove(force=True)
