"""The builder around Arm's Vela: it keeps the contract, and its estimate arrives in result.json."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import pytest
import tflite

from builders.conformance import check_image, shipped_models
from builders.conformance.models import input_files
from builders.contract import Basis, FirmwareVersion, ImageKind, parse_manifest
from builders.docker_runner import DockerRunner
from builders.image import SHIPPED, build_shipped_image
from builders.runner import BuildInput, BuildOutput, Limits, Order

if TYPE_CHECKING:
    import docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]  # the first run installs Vela into the image

SOURCE = SHIPPED.with_name("ethos-u")
MACS = 8 * 8 * 4 * 9 + 16 * 3
"""Of the convolution and of the dense layer; Vela counts more for activations and pooling."""


@pytest.fixture(scope="session")
def image(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image, from wheels that this machine's pip has fetched: it may know a way that a container does not."""
    folder = tmp_path_factory.mktemp("build") / "ethos-u"
    shutil.copytree(SOURCE, folder)
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    target = ["--implementation", "cp", "--python-version", "3.11"]
    for manylinux in ("manylinux_2_28", "manylinux_2_17", "manylinux2014"):
        target += ["--platform", f"{manylinux}_{'aarch64' if engine.version()['Arch'] == 'arm64' else 'x86_64'}"]
    done = subprocess.run(
        [*pip, *target, "-r", str(folder / "requirements.txt"), "-d", str(folder / "wheels")],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        reason = f"pip cannot fetch Vela here: {done.stderr[-300:]}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return build_shipped_image(engine, print, source=folder)


def build(engine: docker.DockerClient, image: str, board: str) -> BuildOutput:
    files = input_files(shipped_models().other, board=board, version=FirmwareVersion(1, 0, 0, 1))
    given = BuildInput(files["model.tflite"], files["build.json"], files["golden.json"])
    order = Order(uuid.uuid4().hex, image, given, Limits(seconds=60), on_log=print)
    with contextlib.closing(DockerRunner(engine, server_id="ethos-u-test")) as runner:
        return runner.run(order)


def test_it_passes_the_kit_on_every_board(engine: docker.DockerClient, image: str) -> None:
    report = check_image(engine, image)
    assert report.failures == ()
    boards = next(check for check in report.checks if check.id == "build.boards")
    assert boards.detail == "ethos-u55-256, ethos-u65-256"


@pytest.mark.parametrize(
    "board", [board.name for board in parse_manifest((SOURCE / "manifest.json").read_text()).boards]
)
def test_the_optimised_model_runs_on_the_npu_and_its_cost_is_reported(
    engine: docker.DockerClient, image: str, board: str
) -> None:
    output = build(engine, image, board)
    [built] = output.result.images
    assert (built.kind, built.format) == (ImageKind.MODEL, "tflite")
    graph = tflite.Model.GetRootAs(output.files[built.file], 0)
    assert [graph.OperatorCodes(index).CustomCode() for index in range(graph.OperatorCodesLength())] == [b"ethos-u"]
    assert {operator.name for operator in output.result.operators} == {
        "CONV_2D",
        "FULLY_CONNECTED",
        "MAX_POOL_2D",
        "RESHAPE",
    }
    performance = output.result.performance
    assert performance is not None
    assert performance.basis is Basis.ESTIMATED
    assert MACS <= (performance.total.macs or 0) < 2 * MACS
    assert sum(layer.cost.macs or 0 for layer in performance.layers) == performance.total.macs
    assert performance.details["operators_on_cpu"] == 0
    assert performance.total.seconds == pytest.approx(
        (performance.total.cycles or 0) / performance.details["core_clock_hz"]
    )
    assert output.result.toolchain["ethos-u-vela"] == "5.2.0"


def test_a_larger_npu_is_expected_to_be_no_slower(engine: docker.DockerClient, image: str) -> None:
    small, large = (build(engine, image, board).result.performance for board in ("ethos-u55-128", "ethos-u55-256"))
    assert small is not None
    assert large is not None
    assert (large.total.seconds or 0) <= (small.total.seconds or 0)
