"""The demo, step by step, as curl lines that work against the server that it leaves running."""

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.cli.proof import Proof
from zoo.cards import load


def curl_lines(server: str, folder: Path, proofs: Sequence[Proof], endpoint: str) -> Iterator[str]:
    """Text to print: where the pages are, then for each step a line of what it does and a line to paste.

    `folder` holds the last model as model.tflite.
    """
    first, last = proofs[0], proofs[-1]
    model = last.build.model
    build = {"model": model, "board": last.build.board, "firmware_version": "1.2.0"}
    update = {"endpoint": endpoint, "artifact_sha256": first.build.artifact_sha256, "delivery": "pull"}
    yield f"The server stays until Ctrl-C. Swagger UI: {server}/docs"
    for title, line in (
        ("list the models", _get(server, "/v1/models")),
        ("upload a model", _upload(server, "/v1/models/my-model/versions", folder / "model.tflite")),
        ("predict on the server", _post(server, f"/v1/models/{model}/predict", load(model).sample)),
        ("build it for the board", _post(server, "/v1/builds", build)),
        ("read a build's log", _get(server, f"/v1/builds/{first.build.id}/log")),
        ("download the signed image", _download(server, f"/v1/artifacts/{first.build.artifact_sha256}/content")),
        ("deliver the first model again", _post(server, "/v1/updates", update)),
        ("where an update stands, and why", _get(server, f"/v1/updates/{last.update.id}/explain")),
        ("what the board runs", _get(server, f"/v1/devices/{endpoint}")),
        ("everything that happened", _get(server, "/v1/events?until=now", "-N", "-H", "Last-Event-ID: 0")),
    ):
        yield f"# {title}"
        yield line


def _get(server: str, path: str, *options: str) -> str:
    return shlex.join(["curl", "-s", *options, server + path])


def _post(server: str, path: str, body: object) -> str:
    return shlex.join(["curl", "-s", server + path, "-H", "Content-Type: application/json", "-d", json.dumps(body)])


def _upload(server: str, path: str, file: Path) -> str:
    return shlex.join(
        ["curl", "-s", server + path, "-H", "Content-Type: application/octet-stream", "--data-binary", f"@{file}"]
    )


def _download(server: str, path: str) -> str:
    return shlex.join(["curl", "-s", "-o", "firmware.bin", server + path])
