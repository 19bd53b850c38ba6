"""The image of a builder that ships with the server, and the base that it starts from."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from builders.docker_runner import DockerRunner
from builders.errors import BadManifestError, ImageBuildFailedError
from builders.image import build_shipped_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[3]


@pytest.fixture
def source(tmp_path: Path, manifest: str, engine: docker.DockerClient) -> Iterator[Path]:
    """A small builder's folder; its images are removed at the end."""
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "manifest.json").write_text(manifest)
    (folder / "Dockerfile").write_text('FROM debian:bookworm-slim\nCOPY note /note\nENTRYPOINT ["cat", "/note"]\n')
    (folder / "note").write_text("one")
    yield folder
    for image in engine.images.list(name="tinymlaas/small"):
        engine.images.remove(image.id, force=True)


def test_it_is_built_once_for_every_state_of_its_files(engine: docker.DockerClient, source: Path) -> None:
    log: list[str] = []
    first = build_shipped_image(engine, log.append, source=source)
    assert any("COPY note" in line for line in log)
    (source / "__pycache__").mkdir()
    (source / "__pycache__" / "x.pyc").write_text("no part of it")
    again: list[str] = []
    assert build_shipped_image(engine, again.append, source=source) == first
    assert again == []
    (source / "note").write_text("two")
    assert build_shipped_image(engine, log.append, source=source) != first


def test_it_is_a_builder(engine: docker.DockerClient, source: Path) -> None:
    image_id = build_shipped_image(engine, print, source=source)
    resolved = DockerRunner(engine, server_id="test").inspect(image_id)
    assert (resolved.image_id, resolved.manifest.name) == (image_id, "probe")


def test_a_dockerfile_that_fails_says_so(engine: docker.DockerClient, source: Path) -> None:
    (source / "Dockerfile").write_text("FROM debian:bookworm-slim\nRUN echo this went wrong; exit 7\n")
    log: list[str] = []
    with pytest.raises(ImageBuildFailedError, match="7"):
        build_shipped_image(engine, log.append, source=source)
    assert "this went wrong" in log


def test_a_bad_manifest_is_refused_before_anything_is_built(engine: docker.DockerClient, source: Path) -> None:
    (source / "manifest.json").write_text("{}")
    log: list[str] = []
    with pytest.raises(BadManifestError):
        build_shipped_image(engine, log.append, source=source)
    assert log == []


def run_base_image(*arguments: str, **environment: str) -> Any:
    bash = shutil.which("bash") or "bash"
    return subprocess.run(
        [bash, str(ROOT / "docker" / "base-image"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **environment},
    )


@pytest.mark.usefixtures("engine")
def test_the_base_image_script_does_nothing_when_the_image_is_there() -> None:
    done = run_base_image()
    assert done.returncode == 0
    assert done.stdout == "base-image: debian:bookworm-slim is there already\n"


def test_the_base_image_script_names_the_next_step_when_no_engine_answers(tmp_path: Path) -> None:
    done = run_base_image(DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert done.returncode == 1
    assert "no Docker Engine answers" in done.stderr
    assert "next: start it" in done.stderr
