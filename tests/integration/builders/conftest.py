"""Engines, runners and a builder whose model is a shell script: every misbehaviour is one line of it."""

from __future__ import annotations

import hashlib
import json
import textwrap
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import pytest

from builders.contract import FirmwareVersion, ModelRef, Tensor, build_request_json, golden_json
from builders.docker_runner import DockerRunner
from builders.engine import connect
from builders.image import ensure_base_image
from builders.local import REFERENCE, LocalRunner
from builders.runner import MEBIBYTE, BuilderRunner, BuildInput, BuildOutput, Limits, Order
from tests.support.images import MakeImage, image_maker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import docker

MANIFEST = json.dumps(
    {
        "contract": 1,
        "name": "probe",
        "version": "1.0.0",
        "maintainer": "TinyMLaaS tests",
        "boards": [
            {
                "name": "mps2-an386",
                "cpu": "cortex-m4",
                "flash_bytes": 4194304,
                "ram_bytes": 4194304,
                "slots": {"firmware": {"address": 553648128, "size": 4194304}},
            }
        ],
        "model_formats": ["tflite"],
        "parameters": {"type": "object", "additionalProperties": False},
    }
)
FIRMWARE = b"firmware\n"
LIMITS = Limits(memory_bytes=128 * MEBIBYTE, pids=32, seconds=20, output_bytes=4 * MEBIBYTE, output_files=16)


RESULT = json.dumps(
    {
        "contract": 1,
        "status": "succeeded",
        "images": [
            {
                "kind": "firmware",
                "file": "firmware.bin",
                "format": "bin",
                "sha256": hashlib.sha256(FIRMWARE).hexdigest(),
                "load_address": 553648640,
                "version": "1.0.0+7",
            }
        ],
        "sections": [],
        "memory": {"flash_bytes": 9, "ram_bytes": 0, "arena_bytes": 0},
        "operators": [],
        "toolchain": {"sh": "1"},
    }
)
REFUSAL = json.dumps(
    {
        "contract": 1,
        "status": "failed",
        "error": {"code": "unsupported_operator", "message": "LSTM is not supported.", "hint": "Unroll it."},
    }
)
# Words for the tests' scripts: `succeed` does everything right, `refuse` says no in the contract's way.
PRELUDE = f"""\
succeed() {{
echo firmware > $OUT/firmware.bin
cat > $OUT/result.json <<'END'
{RESULT}
END
}}
refuse() {{
cat > $OUT/result.json <<'END'
{REFUSAL}
END
}}
"""


def build_input(script: str) -> BuildInput:
    tensor = Tensor("x", (1, 4), "int8", 0.5, 0)
    model = (PRELUDE + textwrap.dedent(script)).encode()
    request = build_request_json(
        model=ModelRef("probe", 1, hashlib.sha256(model).hexdigest()),
        inputs=[tensor],
        outputs=[tensor],
        board="mps2-an386",
        parameters={},
        firmware_version=FirmwareVersion(1, 0, 0, 7),
        source_date_epoch=1767225600,
    )
    return BuildInput(model, request, golden_json([]))


@dataclass
class Bench:
    """A runner with the probe builder in it; a script may use the words of PRELUDE."""

    runner: BuilderRunner
    image_id: str
    limits: ClassVar[Limits] = LIMITS
    firmware: ClassVar[bytes] = FIRMWARE

    def build_input(self, script: str) -> BuildInput:
        return build_input(script)

    def with_seconds(self, seconds: float) -> Limits:
        return replace(LIMITS, seconds=seconds)

    def run(
        self,
        script: str,
        *,
        limits: Limits = LIMITS,
        on_log: Callable[[str], None] = print,
        cancelled: Callable[[], bool] = lambda: False,
        job_id: str | None = None,
    ) -> BuildOutput:
        job = job_id or uuid.uuid4().hex
        return self.runner.run(Order(job, self.image_id, build_input(script), limits, on_log, cancelled))


@pytest.fixture
def manifest() -> str:
    return MANIFEST


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    client = connect()  # a missing engine has skipped or failed the test before: see tests/conftest.py
    try:
        ensure_base_image(client, print)
        yield client
    finally:
        client.close()


@pytest.fixture(scope="session")
def make_image(engine: docker.DockerClient) -> Iterator[MakeImage]:
    """Build an image from a Dockerfile's text; all are removed at the end."""
    with image_maker(engine, MANIFEST) as make:
        yield make


@pytest.fixture(scope="session")
def probe_image(make_image: Callable[..., str]) -> str:
    """The probe: runs the model as a shell script. Its CMD, USER and HEALTHCHECK must not count."""
    return make_image(
        """\
        FROM debian:bookworm-slim
        USER root
        HEALTHCHECK --interval=1s CMD touch /out/healthcheck
        STOPSIGNAL SIGWINCH
        ENTRYPOINT ["sh", "-c", "[ $# = 0 ] || exit 99; export IN=/in OUT=/out; exec sh /in/model.tflite", "builder"]
        CMD ["a-model-that-the-server-did-not-name"]
        """
    )


@pytest.fixture
def docker_bench(engine: docker.DockerClient, probe_image: str) -> Iterator[Bench]:
    """A runner with a server id of its own; the test fails when it leaves anything on the engine."""
    server_id = f"test-{uuid.uuid4().hex[:12]}"
    runner = DockerRunner(engine, server_id=server_id)
    yield Bench(runner, runner.inspect(probe_image).image_id)
    runner.close()
    label = {"label": f"tinymlaas.server={server_id}"}
    left = [c.name for c in engine.containers.list(all=True, filters=label)]
    left += [v.name for v in engine.volumes.list(filters=label)]
    runner.reap(frozenset())
    assert left == []


@pytest.fixture
def local_bench(tmp_path: Path) -> Iterator[Bench]:
    """A local runner with the probe as its shipped builder; the test fails when it leaves any file."""
    source = tmp_path / "probe"
    source.mkdir()
    (source / "manifest.json").write_text(MANIFEST)
    (source / "build.py").write_text(
        textwrap.dedent(
            """\
            import argparse, os
            parser = argparse.ArgumentParser()
            parser.add_argument("--in", dest="input")
            parser.add_argument("--out")
            arguments = parser.parse_args()
            environment = {**os.environ, "IN": arguments.input, "OUT": arguments.out}
            os.execvpe("sh", ["sh", arguments.input + "/model.tflite"], environment)
            """
        )
    )
    folder = tmp_path / "builds"
    runner = LocalRunner(folder, source=source)
    yield Bench(runner, runner.inspect(REFERENCE).image_id)
    assert list(folder.glob("*")) == []


@pytest.fixture(params=[pytest.param("docker", marks=pytest.mark.docker), "local"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """Each runner in turn: they promise the same."""
    chosen: Bench = request.getfixturevalue(f"{request.param}_bench")
    return chosen
