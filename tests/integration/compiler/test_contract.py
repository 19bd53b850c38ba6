"""The builder as a process keeps the contract: the same bytes, the right exit code, a reason for every refusal."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

pytestmark = pytest.mark.toolchain

ROOT = Path(__file__).parents[3]
IMAGE = ROOT / "builders" / "images" / "cortex-m"
SAMPLE = (IMAGE / "samples" / "mnist.tflite").read_bytes()
SMALL_SLOT = 16384
Run = Callable[..., subprocess.CompletedProcess[str]]
Write = Callable[..., Path]
Oracle = Callable[..., list[tuple[list[bytes], list[bytes]]]]


def read_result(out: Path) -> dict[str, object]:
    result: dict[str, object] = json.loads((out / "result.json").read_text())
    schema = json.loads((ROOT / "builders" / "contract" / "result.schema.json").read_text())
    jsonschema.validate(result, schema)
    return result


def change(folder: Path, document: str, key: str, value: object) -> None:
    path = folder / document
    content = json.loads(path.read_text())
    content[key] = value
    path.write_text(json.dumps(content))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def folder(request_folder: Write, oracle_vectors: Oracle) -> Path:
    return request_folder(SAMPLE, oracle_vectors(SAMPLE, 2, 0))


def test_two_builds_in_different_folders_give_the_same_bytes(run_builder: Run, folder: Path, tmp_path: Path) -> None:
    outputs = []
    for name in ("first", "second-and-longer"):
        out = tmp_path / name
        out.mkdir()
        built = run_builder("--in", folder, "--out", out)
        assert built.returncode == 0, built.stdout
        assert read_result(out)["status"] == "succeeded"
        outputs.append({file.name: file.read_bytes() for file in out.iterdir()})
    assert outputs[0] == outputs[1]
    assert set(outputs[0]) == {"firmware.bin", "result.json"}


def test_the_parameter_optimise_changes_the_size(run_builder: Run, folder: Path, out: Path) -> None:
    sizes = []
    for optimise in ("balanced", "size"):
        change(folder, "build.json", "parameters", {"optimise": optimise})
        assert run_builder("--in", folder, "--out", out).returncode == 0
        sizes.append((out / "firmware.bin").stat().st_size)
    assert sizes[1] < sizes[0]


@pytest.mark.parametrize(
    ("document", "key", "value", "code"),
    [
        ("build.json", "contract", 2, "bad_request"),
        ("build.json", "board", "../../etc/passwd", "unsupported_board"),
        ("build.json", "parameters", {"shell": "rm"}, "bad_request"),
        ("build.json", "parameters", {"optimise": "magic"}, "bad_request"),
        ("build.json", "parameters", {"profile": "yes"}, "bad_request"),
        ("build.json", "parameters", {"trainable_head": 1}, "bad_request"),
        ("build.json", "parameters", {"trainable_head": True}, "bad_request"),  # of a board without the device OS
        ("build.json", "firmware_version", "1.0.0", "bad_request"),
        ("build.json", "firmware_version", "256.0.0+1", "bad_request"),
        ("build.json", "tensors", {"inputs": [], "outputs": []}, "bad_request"),
        ("build.json", "model", {"file": "/etc/passwd", "sha256": ""}, "bad_request"),
        ("build.json", "model", {"file": "model.tflite", "sha256": "0" * 64}, "bad_request"),
        ("golden.json", "vectors", [{"inputs": ["00"], "outputs": ["00"]}], "bad_request"),
        ("golden.json", "vectors", "none", "bad_request"),
        ("golden.json", "vectors", [{}] * 17, "bad_request"),
    ],
)
def test_a_request_that_breaks_the_contract_is_refused(
    document: str, key: str, value: object, code: str, run_builder: Run, folder: Path, out: Path
) -> None:
    change(folder, document, key, value)
    built = run_builder("--in", folder, "--out", out)
    assert built.returncode == 1
    result = read_result(out)
    assert result["status"] == "failed"
    assert result["error"]["code"] == code, result  # type: ignore[index] # JSON
    assert result["error"]["hint"]  # type: ignore[index] # JSON


@pytest.mark.parametrize("document", ["build.json", "golden.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_document_that_is_not_an_object_is_a_bad_request(
    document: str, content: bytes, run_builder: Run, folder: Path, out: Path
) -> None:
    (folder / document).write_bytes(content)
    assert run_builder("--in", folder, "--out", out).returncode == 1
    assert read_result(out)["error"]["code"] == "bad_request"  # type: ignore[index] # JSON


def test_a_refusal_removes_the_image_of_an_earlier_build(run_builder: Run, folder: Path, out: Path) -> None:
    assert run_builder("--in", folder, "--out", out).returncode == 0
    change(folder, "build.json", "board", "toaster")
    assert run_builder("--in", folder, "--out", out).returncode == 1
    assert {file.name for file in out.iterdir()} == {"result.json"}


def test_sigterm_ends_the_build_and_its_compiler_within_three_seconds(tmp_path: Path, out: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    # A compiler that never ends, and says who it is.
    fake = tools / "arm-none-eabi-gcc"
    fake.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid.part\nmv {tmp_path}/pid.part {tmp_path}/pid\nsleep 100\n")
    fake.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-B", str(IMAGE / "build.py"), "mnist.tflite", "-o", str(out)],
        env={"PATH": f"{tools}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 20
        while not (tmp_path / "pid").exists():
            assert time.monotonic() < deadline, "the compiler never started"
            time.sleep(0.02)
        compiler = int((tmp_path / "pid").read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=3) == 143
    finally:
        process.kill()
        process.wait()
    with pytest.raises(ProcessLookupError):
        os.kill(compiler, 0)
    assert list(out.iterdir()) == []
    assert not list(tmp_path.glob("build-*"))


def test_a_compiler_that_fails_is_named_in_the_result(tmp_path: Path, out: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    fake = tools / "arm-none-eabi-gcc"
    fake.write_text("#!/bin/sh\necho 'internal compiler error' >&2\nexit 4\n")
    fake.chmod(0o755)
    built = subprocess.run(
        [sys.executable, "-B", str(IMAGE / "build.py"), "mnist.tflite", "-o", str(out)],
        env={"PATH": f"{tools}:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    assert built.returncode == 1
    error = read_result(out)["error"]
    assert error["code"] == "compiler_failed"  # type: ignore[index] # JSON
    assert "internal compiler error" in error["message"]  # type: ignore[index] # JSON


def test_what_cannot_be_linked_is_refused_with_the_bytes_that_are_needed_and_there(
    folder: Path, out: Path, tmp_path: Path
) -> None:
    """The constants would fit, and the code beside them does not."""
    image = tmp_path / "image"
    shutil.copytree(IMAGE, image)
    board = json.loads((image / "boards" / "mps2-an386.json").read_text())
    board["board"]["slots"]["firmware"]["size"] = SMALL_SLOT
    (image / "boards" / "mps2-an386.json").write_text(json.dumps(board))
    for mode in ("build", "estimate"):
        change(folder, "build.json", "mode", mode)
        built = subprocess.run(
            [sys.executable, "-B", str(image / "build.py"), "--in", str(folder), "--out", str(out)],
            capture_output=True,
            check=False,
        )
        assert built.returncode == 1
        error = read_result(out)["error"]
        assert error["code"] == "model_too_large"  # type: ignore[index] # JSON
        needed = re.fullmatch(
            r"(\d+) bytes of flash are needed for firmware; mps2-an386 has (\d+)",
            error["message"],  # type: ignore[index] # JSON
        )
        assert needed is not None, error
        assert int(needed[2]) == SMALL_SLOT - 0x200 < int(needed[1]) < 2 * SMALL_SLOT
