"""The builder for the Raspberry Pi: it keeps the contract, and its bundle holds the model that LiteRT then runs."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tarfile
import uuid
from typing import TYPE_CHECKING

import numpy as np
import pytest

from builders.conformance import check_image, shipped_models
from builders.conformance.models import input_files
from builders.contract import FirmwareVersion, ImageKind
from builders.docker_runner import DockerRunner
from builders.image import SHIPPED, build_shipped_image
from builders.runner import BuildInput, BuildOutput, Limits, Order

if TYPE_CHECKING:
    import docker

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def image(engine: docker.DockerClient) -> str:
    return build_shipped_image(engine, print, source=SHIPPED.with_name("litert-edge"))


@pytest.fixture(scope="module")
def output(engine: docker.DockerClient, image: str) -> BuildOutput:
    files = input_files(shipped_models().other, board="raspberry-pi", version=FirmwareVersion(2, 0, 1, 5))
    given = BuildInput(files["model.tflite"], files["build.json"], files["golden.json"])
    order = Order(uuid.uuid4().hex, image, given, Limits(seconds=60), on_log=print)
    with contextlib.closing(DockerRunner(engine, server_id="litert-edge-test")) as runner:
        return runner.run(order)


def test_it_passes_the_kit(engine: docker.DockerClient, image: str) -> None:
    assert check_image(engine, image).failures == ()


def test_the_bundle_names_every_file_with_its_hash(output: BuildOutput) -> None:
    [built] = output.result.images
    assert (built.kind, built.format, str(built.version)) == (ImageKind.MODEL, "tar", "2.0.1+5")
    with tarfile.open(fileobj=io.BytesIO(output.files[built.file])) as archive:
        members = archive.getmembers()
        content = {member.name: archive.extractfile(member).read() for member in members}
    assert [member.name for member in members] == ["bundle.json", "model.tflite", "golden.json"]
    assert all(member.isreg() and (member.mode, member.uid, member.mtime) == (0o444, 0, 10**9) for member in members)
    card = json.loads(content.pop("bundle.json"))
    assert card["files"] == {
        name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in content.items()
    }
    assert (card["bundle"], card["model"], card["version"]) == (1, {"name": "conv", "version": 1}, "2.0.1+5")
    assert content["model.tflite"] == shipped_models().other.content


def test_litert_runs_the_bundled_model_to_its_golden_outputs(output: BuildOutput) -> None:
    from ai_edge_litert.interpreter import Interpreter

    with tarfile.open(fileobj=io.BytesIO(output.files["model.tar"])) as archive:
        model, golden, card = (
            archive.extractfile(name).read() for name in ("model.tflite", "golden.json", "bundle.json")
        )
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    shape = json.loads(card)["tensors"]["inputs"][0]["shape"]
    vectors = json.loads(golden)["vectors"]
    assert len(vectors) == 3
    for vector in vectors:
        taken = np.frombuffer(bytes.fromhex(vector["inputs"][0]), np.int8).reshape(shape)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], taken)
        interpreter.invoke()
        given = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        assert given.tobytes().hex() == vector["outputs"][0]
