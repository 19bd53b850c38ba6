"""The builder that ships with the server, run as a process of this machine."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from builders.contract import FirmwareVersion, ModelRef, Tensor, build_request_json, golden_json
from builders.errors import BuildRefusedError
from builders.image import SHIPPED
from builders.local import REFERENCE, LocalRunner
from builders.runner import BuildInput, BuildOutput, Limits, Order

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.toolchain


def build(folder: Path, model: bytes) -> BuildOutput:
    request = build_request_json(
        model=ModelRef("mnist", 1, hashlib.sha256(model).hexdigest()),
        inputs=[Tensor("image", (1, 8, 8, 1), "int8", 1 / 255, -128)],
        outputs=[Tensor("digit", (1, 10), "int8", 1 / 256, -128)],
        board="mps2-an386",
        parameters={},
        firmware_version=FirmwareVersion(1, 2, 3, 4),
        source_date_epoch=1767225600,
    )
    runner = LocalRunner(folder)
    given = BuildInput(model, request, golden_json([]))
    image_id = runner.inspect(REFERENCE).image_id
    return runner.run(Order("shipped", image_id, given, Limits(seconds=120), on_log=print))


def test_it_builds_the_sample_twice_to_the_same_bytes(tmp_path: Path) -> None:
    model = (SHIPPED / "samples" / "mnist.tflite").read_bytes()
    first, second = build(tmp_path, model), build(tmp_path, model)
    assert first.files == second.files
    assert first.result == second.result
    image = first.result.images[0]
    assert image.version == FirmwareVersion(1, 2, 3, 4)
    assert len(first.files[image.file]) == first.result.memory.flash_bytes


def test_it_refuses_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(BuildRefusedError) as caught:
        build(tmp_path, b"no model")
    assert caught.value.reason == "bad_model"
