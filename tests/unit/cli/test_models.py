"""Upload, prediction and download of models."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Bodies, BrokenStream, Cli, FakeServer


MODEL = b"a tflite."
SHA = hashlib.sha256(MODEL).hexdigest()


def test_an_upload_sends_the_file_with_its_size(cli: Cli, server: FakeServer, bodies: Bodies, tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(MODEL * 30_000)
    server.on("POST /v1/models/new/versions", httpx.Response(201, json=bodies.version()))
    result = cli("models", "upload", "new", str(file))
    assert result.exit_code == 0, result.output
    request = server.requests[0]
    assert request.content == MODEL * 30_000
    assert request.headers["Content-Length"] == str(len(MODEL) * 30_000)
    assert request.headers["Content-Type"] == "application/octet-stream"
    assert "digits-cnn@1 (active)" in result.stdout


def test_a_model_is_shown_with_its_active_version(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("GET /v1/models/digits-cnn", httpx.Response(200, json=bodies.model(active_version=2)))
    server.on("GET /v1/models/digits-cnn/versions/2", httpx.Response(200, json=bodies.version(version=2)))
    shown = cli("models", "show", "digits-cnn").stdout
    assert "digits-cnn@2" in shown
    assert "1x8x8x1" in shown


def test_activation_is_a_post(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("POST /v1/models/m/versions/2/activation", httpx.Response(200, json=bodies.model(active_version=2)))
    assert "version 2 is active" in cli("models", "activate", "m", "2").stdout


@pytest.mark.parametrize("given", ["[[0.5]]", '{"instances": [[0.5]]}', "FILE", "-"])
def test_a_prediction_takes_json_a_file_or_standard_input(
    cli: Cli, server: FakeServer, tmp_path: Path, given: str
) -> None:
    file = tmp_path / "input.json"
    file.write_text("[[0.5]]")
    server.on("POST /v1/models/m/predict", httpx.Response(200, json={"prediction": [[0.25, 0.75]]}))
    result = cli("models", "predict", "m", "-i", str(file) if given == "FILE" else given, stdin="[[0.5]]")
    assert json.loads(server.requests[0].content) == {"instances": [[0.5]]}
    assert result.stdout == "[0.25, 0.75]\n"


def test_a_version_named_in_a_prediction_is_the_one_that_runs(cli: Cli, server: FakeServer) -> None:
    server.on("POST /v1/models/m/versions/3/predict", httpx.Response(200, json={"prediction": [[1]]}))
    assert cli("models", "predict", "m@3", "-i", "[[0.5]]").exit_code == 0


def test_a_download_without_a_version_is_of_the_active_one(
    cli: Cli, server: FakeServer, bodies: Bodies, tmp_path: Path
) -> None:
    server.on("GET /v1/models/m", httpx.Response(200, json=bodies.model(active_version=4)))
    server.on("GET /v1/models/m/versions/4", httpx.Response(200, json=bodies.version(SHA, version=4)))
    server.on("GET /v1/models/m/versions/4/content", httpx.Response(200, content=MODEL))
    result = cli("models", "download", "m", "-o", str(tmp_path / "m.tflite"))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "m.tflite").read_bytes() == MODEL


def test_bytes_that_do_not_hash_as_they_should_never_become_the_file(
    cli: Cli, server: FakeServer, tmp_path: Path
) -> None:
    to = tmp_path / "firmware.bin"
    to.write_bytes(b"before")
    server.on(f"GET /v1/artifacts/{SHA}/content", httpx.Response(200, content=b"tampered!"))
    result = cli("artifacts", "download", SHA, "-o", str(to))
    assert result.exit_code == 4
    assert to.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [to]


def test_a_device_or_a_pipe_is_written_to_and_a_link_stays_one(cli: Cli, server: FakeServer, tmp_path: Path) -> None:
    server.on(f"GET /v1/artifacts/{SHA}/content", httpx.Response(200, content=MODEL))
    pipe, link, file = tmp_path / "pipe", tmp_path / "link", tmp_path / "file"
    os.mkfifo(pipe)
    link.symlink_to(file)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        for to in (pipe, link):
            result = cli("artifacts", "download", SHA, "-o", str(to))
            assert result.exit_code == 0, result.output
        assert pipe.is_fifo()
        assert os.read(reading, 100) == MODEL
    finally:
        os.close(reading)
    assert link.is_symlink()
    assert file.read_bytes() == MODEL


def test_a_folder_that_is_not_there_is_said_before_anything_is_lost(
    cli: Cli, server: FakeServer, tmp_path: Path
) -> None:
    server.on(f"GET /v1/artifacts/{SHA}/content", httpx.Response(200, content=MODEL))
    result = cli("artifacts", "download", SHA, "-o", str(tmp_path / "no" / "firmware.bin"))
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


def test_a_download_that_breaks_off_leaves_nothing(
    cli: Cli, server: FakeServer, tmp_path: Path, broken_stream: type[BrokenStream]
) -> None:
    server.on(f"GET /v1/artifacts/{SHA}/content", lambda _request: httpx.Response(200, stream=broken_stream(b"a tf")))
    assert cli("artifacts", "download", SHA, "-o", str(tmp_path / "firmware.bin")).exit_code == 4
    assert list(tmp_path.iterdir()) == []
