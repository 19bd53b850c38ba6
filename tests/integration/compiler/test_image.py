"""The container image: runs alone as the porting guide asks, and confined as the server runs it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.docker

IMAGE = Path(__file__).parents[3] / "builders" / "images" / "cortex-m"
TAG = "tinymlaas/cortex-m"
TEMPORARY = "/tmp"  # noqa: S108 - inside the container
CONFINED = ("--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


def docker(*arguments: str, timeout: float = 280) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=timeout)


@pytest.fixture(scope="module")
def image() -> str:
    if docker("image", "inspect", "debian:bookworm-slim").returncode:
        reason = "the base image debian:bookworm-slim is not on this engine; docker/base-image makes it"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    built = docker("build", "-t", TAG, str(IMAGE))
    assert built.returncode == 0, built.stderr[-2000:]
    return TAG


def test_the_label_is_the_manifest(image: str) -> None:
    label = docker("image", "inspect", image, "--format", '{{index .Config.Labels "io.tinymlaas.builder"}}').stdout
    assert json.loads(label) == json.loads((IMAGE / "manifest.json").read_text())


def test_the_image_does_not_run_as_root(image: str) -> None:
    assert docker("image", "inspect", image, "--format", "{{.Config.User}}").stdout.strip() == "65532:65532"


def test_docker_run_with_a_sample_builds_it(image: str) -> None:
    ran = docker("run", "--rm", image, "mnist.tflite")
    assert ran.returncode == 0, ran.stdout
    assert "succeeded" in ran.stdout


def test_the_confined_image_gives_the_same_bytes_as_the_local_process(image: str, tmp_path: Path) -> None:
    in_image = docker(
        *("run", "--rm", *CONFINED, "--tmpfs", TEMPORARY, "--tmpfs", "/out:uid=65532", "--entrypoint", "sh", image),
        *("-c", "python3 /opt/builder/build.py mnist.tflite > /dev/null && cat /out/result.json"),
    )
    assert in_image.returncode == 0, in_image.stderr
    local = subprocess.run(
        ["python3", "-B", str(IMAGE / "build.py"), "mnist.tflite", "-o", str(tmp_path)],
        check=False,
        capture_output=True,
    )
    assert local.returncode == 0
    assert json.loads(in_image.stdout) == json.loads((tmp_path / "result.json").read_text())


def test_a_full_output_volume_fails_the_build(image: str) -> None:
    ran = docker(
        "run", "--rm", *CONFINED, "--tmpfs", TEMPORARY, "--tmpfs", "/out:uid=65532,size=8k", image, "mnist.tflite"
    )
    assert ran.returncode == 1
    assert "output_full" in ran.stdout
