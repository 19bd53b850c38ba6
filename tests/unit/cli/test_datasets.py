"""Datasets on the command line: files go out with their names, and answers are shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Bodies, Cli, FakeServer

AT = "2026-01-02T03:04:05Z"
SCHEMA = {
    "kind": "tabular",
    "shape": [2],
    "dtype": "float32",
    "features": ["length", "width"],
    "labels": ["a"],
    "targets": [],
    "interval_ms": None,
}


def dataset(**more: Any) -> dict[str, Any]:
    return {
        "name": "iris",
        "description": "",
        "retain_days": None,
        "signed": False,
        "data_schema": SCHEMA,
        "samples": 3,
        "labels": [{"label": "a", "samples": 2}, {"label": None, "samples": 1}],
        "uploads": 1,
        "rejected": 1,
        "created_at": AT,
        **more,
    }


def upload(**more: Any) -> dict[str, Any]:
    return {
        "id": "upl_0123456789abcdef",
        "dataset": "iris",
        "format": "csv",
        "size": 10,
        "accepted": 3,
        "rejected": 1,
        "duplicates": 0,
        "reasons": [{"place": "line 4", "reason": "It has 1 fields instead of 3."}],
        "created_at": AT,
        **more,
    }


def test_a_dataset_is_shown_with_its_labels(cli: Cli, server: FakeServer) -> None:
    server.on("GET /v1/datasets/iris", httpx.Response(200, json=dataset()))
    shown = cli("datasets", "show", "iris").stdout
    assert "2 float32" in shown
    assert "(no label)" in shown


def test_an_empty_dataset_is_listed_without_a_shape(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("GET /v1/datasets", bodies.page(dataset(data_schema=None, labels=[], samples=0)))
    assert "iris" in cli("datasets", "list").stdout


def test_creating_sends_what_was_said_and_nothing_else(cli: Cli, server: FakeServer) -> None:
    server.on("POST /v1/datasets", httpx.Response(201, json=dataset()))
    result = cli("datasets", "create", "iris", "--retain-days", "30", TINYMLAAS_SIGNING_KEY="0123456789")
    assert result.exit_code == 0, result.output
    sent = json.loads(server.requests[0].content)
    assert sent == {"name": "iris", "description": "", "retain_days": 30, "signing_key": "0123456789"}


def test_adding_sends_the_files_with_their_names_and_the_options_as_the_query(
    cli: Cli, server: FakeServer, tmp_path: Path
) -> None:
    pair = [tmp_path / "mnist.data", tmp_path / "mnist.json"]
    for path in pair:
        path.write_bytes(path.name.encode())
    server.on("POST /v1/datasets/iris/samples", httpx.Response(201, json=upload()))
    result = cli("datasets", "add", "iris", *map(str, pair), "--window", "8", "--label", "up", "--no-duplicates")
    assert result.exit_code == 0, result.output
    request = server.requests[0]
    assert dict(request.url.params) == {"window": "8"}
    assert (request.headers["x-label"], request.headers["x-disallow-duplicates"]) == ("up", "1")
    assert request.headers["Content-Type"].startswith("multipart/form-data")
    assert request.content.count(b'name="file"; filename="mnist.') == 2
    assert "3 samples accepted, 1 rows rejected" in result.stdout
    assert "line 4" in result.stdout


def test_a_file_that_is_not_there_is_said_before_anything_is_sent(cli: Cli, server: FakeServer, tmp_path: Path) -> None:
    result = cli("datasets", "add", "iris", str(tmp_path / "no.csv"))
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr
    assert not server.requests


def test_a_refusal_names_the_row(cli: Cli, server: FakeServer, bodies: Bodies, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("a\nx\n")
    detail = "None of the 1 rows can be used. line 2: Column a: 'x' is no finite number."
    server.on("POST /v1/datasets/iris/samples", bodies.problem(422, slug="nothing_accepted", detail=detail))
    result = cli("datasets", "add", "iris", str(file))
    assert result.exit_code != 0
    assert "line 2" in result.stderr


def test_a_snapshot_is_asked_for_with_its_split_and_named_by_its_hash(cli: Cli, server: FakeServer) -> None:
    part = {"samples": 1, "labels": [{"label": "a", "samples": 1}]}
    split = {"train": 0.6, "validation": 0.2, "test": 0.2, "seed": 7, "by_group": False}
    body = {
        "sha256": "ab" * 32,
        "dataset": "iris",
        "size": 100,
        "samples": 3,
        "data_schema": SCHEMA,
        "split": split,
        "parts": {"train": part, "validation": part, "test": part},
        "used_by": [],
        "created_at": AT,
        "removed_at": None,
    }
    server.on("POST /v1/datasets/iris/snapshots", httpx.Response(201, json=body))
    shares = ("--train", "0.6", "--validation", "0.2", "--test", "0.2")
    result = cli("datasets", "snapshot", "iris", *shares, "--seed", "7", "--by-sample")
    assert json.loads(server.requests[0].content) == split
    assert "ab" * 32 in result.stdout


def test_keeping_samples_for_ever_says_null(cli: Cli, server: FakeServer) -> None:
    server.on("PUT /v1/datasets/iris/retention", httpx.Response(200, json=dataset()))
    assert cli("datasets", "retain", "iris", "0").exit_code == 0
    assert json.loads(server.requests[0].content) == {"retain_days": None}


def test_a_picture_is_written_whole(cli: Cli, server: FakeServer, tmp_path: Path) -> None:
    server.on("GET /v1/datasets/iris/picture", httpx.Response(200, content=b"<svg/>"))
    assert cli("datasets", "picture", "iris", "-o", str(tmp_path / "iris.svg")).exit_code == 0
    assert (tmp_path / "iris.svg").read_bytes() == b"<svg/>"


def test_a_purge_is_asked_for_by_name(cli: Cli, server: FakeServer) -> None:
    server.on("DELETE /v1/datasets/iris", httpx.Response(204))
    assert cli("datasets", "delete", "iris", "--purge").exit_code == 0
    assert dict(server.requests[0].url.params) == {"purge": "true"}


def test_pictures_are_predicted_with(cli: Cli, server: FakeServer, tmp_path: Path) -> None:
    file = tmp_path / "three.png"
    file.write_bytes(b"png")
    server.on("POST /v1/models/m/predict", httpx.Response(200, json={"prediction": [[0.5]]}))
    assert cli("models", "predict", "m", "--picture", str(file)).stdout == "[0.5]\n"
    assert b'name="picture"; filename="three.png"' in server.requests[0].content
    assert cli("models", "predict", "m").exit_code == 2
    assert cli("models", "predict", "m", "-i", "[[1]]", "-p", str(file)).exit_code == 2
