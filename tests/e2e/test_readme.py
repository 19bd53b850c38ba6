"""What the README says can be done by curl alone is done by curl alone, and the demo proves what it shows."""

import json
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import docker
import pytest

from tests.e2e.conftest import World
from tests.support.edge import EdgeProcess

pytestmark = [pytest.mark.docker, pytest.mark.qemu]

ROOT = Path(__file__).parents[2]


def test_the_curl_lines_of_the_readme_build_deliver_and_prove_a_model(
    world: World, engine: docker.DockerClient, shipped_image: str, tmp_path: Path
) -> None:
    section = (ROOT / "README.md").read_text().partition("## The same through curl alone")[2]
    found = re.search(r"```bash\n(.*?)```", section, re.DOTALL)
    assert found is not None
    engine.images.get(shipped_image).tag("tinymlaas/cortex-m", "latest")
    script = found[1].replace("http://127.0.0.1:8000", world.server.url).replace("-o firmware.bin", f"-o {tmp_path}/fw")
    edge = EdgeProcess(world.server, "my-board", tmp_path / "edge")
    edge.start()
    try:
        world.wait("/v1/devices", lambda page: any(item["endpoint"] == "my-board" for item in page["items"]))
        done = subprocess.run(
            ["bash", "-euc", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )
    finally:
        edge.stop()
    assert done.returncode == 0, done.stdout + done.stderr
    update = world.api.get("/v1/updates", params={"endpoint": "my-board"}).json()["items"][0]
    assert update["state"] == "succeeded", update
    assert '"device.registered"' in done.stdout
    assert (tmp_path / "fw").stat().st_size == update["bytes_total"]


def test_the_demo_ends_with_proof_and_leaves_nothing_running(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "demo", "--json", "--data-dir", str(tmp_path / "demo")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown = json.loads(done.stdout)
    assert shown["agreed"] is True
    assert not [line for line in _command_lines() if str(tmp_path) in line]


def _command_lines() -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found
