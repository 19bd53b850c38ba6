"""Boards are taught from a file or from JSON, some samples at a time; what cannot be a sample is refused here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Cli, FakeServer

SAMPLES = "/v1/devices/board-1/training/samples"


def training(**more: Any) -> httpx.Response:
    body = {
        "endpoint": "board-1",
        "state": "idle",
        "samples": 20,
        "capacity": 512,
        "round": 0,
        "uses": False,
        "loss": None,
        "steps": 0,
        "persists": 0,
        "error": None,
        "features": 128,
        "outputs": 10,
        "correct": None,
    }
    return httpx.Response(200, json={**body, **more})


def test_the_samples_of_a_file_go_out_sixteen_at_a_time(cli: Cli, server: FakeServer, tmp_path: Path) -> None:
    x, y = np.arange(40, dtype=np.float32).reshape(20, 2), np.arange(20) % 3
    np.savez(tmp_path / "ward.npz", x=x, y=y)
    server.on(f"POST {SAMPLES}", training())
    made = cli("devices", "teach", "board-1", "--npz", str(tmp_path / "ward.npz"))
    assert made.exit_code == 0, made.output
    sent = [json.loads(request.content) for request in server.sent(f"POST {SAMPLES}")]
    assert [len(each["labels"]) for each in sent] == [16, 4]
    assert [instance for each in sent for instance in each["instances"]] == x.tolist()
    assert [label for each in sent for label in each["labels"]] == y.tolist()
    assert "20 of 512" in made.output


def test_one_label_is_of_all_instances(cli: Cli, server: FakeServer) -> None:
    server.on(f"POST {SAMPLES}", training(samples=2))
    made = cli("devices", "teach", "board-1", "--input", "[[0.5], [0.25]]", "--label", "7")
    assert made.exit_code == 0, made.output
    [sent] = server.sent(f"POST {SAMPLES}")
    assert json.loads(sent.content) == {"instances": [[0.5], [0.25]], "labels": [7, 7]}


def test_what_cannot_be_a_sample_is_refused_before_anything_is_sent(
    cli: Cli, server: FakeServer, tmp_path: Path
) -> None:
    files: dict[str, dict[str, Any]] = {
        "no-labels.npz": {"x": np.zeros((2, 2))},
        "fractions.npz": {"x": np.zeros((2, 2)), "y": np.array([0.5, 1.0])},
        "negative.npz": {"x": np.zeros((2, 2)), "y": np.array([0, -1])},
        "too-few.npz": {"x": np.zeros((3, 2)), "y": np.array([0, 1])},
        "empty.npz": {"x": np.zeros((0, 2)), "y": np.zeros(0, int)},
        "objects.npz": {"x": np.array([{}, {}]), "y": np.array([0, 1])},
    }
    for name, arrays in files.items():
        np.savez(tmp_path / name, **arrays)
    (tmp_path / "text.npz").write_text("no archive")
    wrong = [("--npz", str(tmp_path / name)) for name in (*files, "text.npz", "missing.npz")]
    wrong += [("--input", "[[1], [2], [3]]", "--label", "1", "--label", "2"), (), ("--input", "[[1]]")]
    for words in (*wrong, ("--input", "[[1]]", "--npz", str(tmp_path / "empty.npz"))):
        refused = cli("devices", "teach", "board-1", *words)
        assert refused.exit_code == 2, (words, refused.output)
    assert server.requests == []


@pytest.mark.parametrize(("uses", "words"), [(True, "the trained head"), (False, "the model's own head")])
def test_what_a_board_says_of_its_training_is_shown(cli: Cli, server: FakeServer, *, uses: bool, words: str) -> None:
    server.on("GET /v1/devices/board-1/training", training(uses=uses, state="failed", error="the loss is no number"))
    shown = cli("devices", "training", "board-1")
    assert shown.exit_code == 0, shown.output
    for each in (words, "failed", "the loss is no number", "128 features, 10 outputs"):
        assert each in shown.output


def test_a_board_forgets(cli: Cli, server: FakeServer) -> None:
    server.on(f"DELETE {SAMPLES}", httpx.Response(204))
    assert cli("devices", "forget", "board-1").exit_code == 0
    assert len(server.sent(f"DELETE {SAMPLES}")) == 1
