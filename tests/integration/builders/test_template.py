"""The template passes as it is, by the commands that its README gives."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from builders import keeper
from builders.conformance import check_image, shipped_models
from builders.contract import Success, parse_manifest, parse_result
from builders.image import build_shipped_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

pytestmark = pytest.mark.docker

TEMPLATE = Path(__file__).parents[3] / "builders" / "template"


def make(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["make", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def copy(tmp_path: Path, engine: docker.DockerClient) -> Iterator[tuple[Path, str]]:
    """A partner's copy of the folder, and the name of the image that is made of it."""
    folder = tmp_path / "acme"
    shutil.copytree(TEMPLATE, folder)
    image = f"tinymlaas-test:{uuid.uuid4().hex[:12]}"
    yield folder, image
    engine.images.remove(image, force=True)


def test_the_readmes_first_step_builds_a_model_alone(copy: tuple[Path, str], tmp_path: Path) -> None:
    folder, image = copy
    model = tmp_path / "mine.tflite"
    model.write_bytes(shipped_models().valid.content)
    assert "succeeded: firmware.bin" in make(folder, "try", f"IMAGE={image}", f"MODEL={model}")
    result = parse_result((folder / "out" / "result.json").read_bytes())
    assert isinstance(result, Success)
    assert result.images[0].load_address == 0x0800_0200
    assert shipped_models().valid.content in (folder / "out" / "firmware.bin").read_bytes()


def test_the_image_of_the_makefile_passes_the_kit(copy: tuple[Path, str], engine: docker.DockerClient) -> None:
    folder, image = copy
    make(folder, "image", f"IMAGE={image}")
    report = check_image(engine, image)
    assert report.failures == ()
    assert (report.name, report.version) == ("example", "1.0.0")
    json.dumps(report.to_json())


def test_it_runs_where_there_is_no_folder_for_input_or_output(engine: docker.DockerClient) -> None:
    image = build_shipped_image(engine, print, source=TEMPLATE)
    container = engine.containers.create(image, ["/model.tflite"], network_mode="none")
    try:
        container.put_archive("/", keeper.pack({"model.tflite": shipped_models().valid.content}, mode=0o444))
        container.start()
        assert container.wait(timeout=60)["StatusCode"] == 0
        assert "succeeded: firmware.bin in /tmp/out-" in container.logs().decode()
    finally:
        container.remove(force=True)


def test_its_program_and_its_manifest_name_the_same_board() -> None:
    board = parse_manifest((TEMPLATE / "manifest.json").read_text()).boards[0]
    program = (TEMPLATE / "builder.py").read_text()
    slot = board.slots["firmware"]
    assert f'BOARD = "{board.name}"' in program
    assert (slot.address, slot.size) == (0x0800_0000, 512 * 1024)
    assert "SLOT_ADDRESS, SLOT_BYTES, HEADER_BYTES = 0x0800_0000, 512 * 1024, 0x200" in program
