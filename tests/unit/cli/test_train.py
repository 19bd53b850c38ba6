"""Trainings are started, followed epoch by epoch, and told in tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Bodies, Cli, FakeServer


JOB = "/v1/training-jobs/trn_0123456789abcdef"
SHA = "ab" * 32
NEW = ("train", "new", "my-digits", "--recipe", "digits-cnn", "--snapshot", SHA)


def _metrics(*epochs: int) -> httpx.Response:
    figures = [{"epoch": number, "loss": 1 / number, "accuracy": 0.5} for number in epochs]
    return httpx.Response(200, json={"job_id": "trn_0123456789abcdef", "state": "running", "epochs": figures})


def test_a_training_is_followed_to_its_end_and_every_epoch_is_asked_for_once(
    cli: Cli, server: FakeServer, bodies: Bodies
) -> None:
    server.on("POST /v1/training-jobs", httpx.Response(202, json=bodies.training_job("queued")))
    states = ("queued", "running", "succeeded")
    server.on(f"GET {JOB}", *(httpx.Response(200, json=bodies.training_job(state)) for state in states))
    server.on(f"GET {JOB}/metrics", _metrics(), _metrics(1), _metrics(2))
    result = cli(*NEW, "--epochs", "2", "--seed", "7", "--activate")
    assert result.exit_code == 0, result.output
    assert json.loads(server.requests[0].content) == {
        "kind": "centralised",
        "model": "my-digits",
        "recipe": "digits-cnn",
        "snapshot": SHA,
        "epochs": 2,
        "seed": 7,
        "activate": True,
    }
    assert [request.url.params["after"] for request in server.sent(f"GET {JOB}/metrics")] == ["0", "0", "1"]
    assert "my-digits@3" in result.stdout
    assert "float 0.9751, int8 0.9722 (higher is better)" in result.stdout
    assert [line for line in result.stderr.splitlines() if " of 2: " in line] == [
        "centralised my-digits 1 of 2: loss 1  accuracy 0.5",
        "centralised my-digits 2 of 2: loss 0.5  accuracy 0.5",
    ]


def test_a_seed_is_a_number_to_copy_and_has_no_separators(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on(f"GET {JOB}", httpx.Response(200, json=bodies.training_job(seed=20260107)))
    shown = cli("train", "show", "trn_0123456789abcdef").stdout
    assert [line.split() for line in shown.splitlines() if line.startswith("seed")] == [["seed", "20260107"]]


def test_a_failed_training_is_an_end_that_is_not_wanted(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    error = {"slug": "training_diverged", "detail": "A loss is no number.", "remedy": "Take less.", "field": None}
    server.on("POST /v1/training-jobs", httpx.Response(202, json=bodies.training_job("failed", error=error)))
    result = cli(*NEW, "--no-wait")
    assert result.exit_code == 1
    assert "Error: A loss is no number." in result.stderr
    assert "Remedy: Take less." in result.stderr


def test_a_recipe_in_a_file_is_checked_here_and_sent_as_it_is(
    cli: Cli, server: FakeServer, bodies: Bodies, tmp_path: Path
) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(
        "{recipe: 1, task: regression, layers: [{type: dense}], optimiser: {type: sgd, rate: 1}, epochs: 1, batch: 1}"
    )
    server.on("POST /v1/training-jobs", httpx.Response(202, json=bodies.training_job()))
    result = cli("train", "new", "m", "--recipe", str(file), "--snapshot", SHA, "--no-wait", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(server.requests[0].content)["recipe"]["layers"] == [{"type": "dense"}]
    file.write_text("{recipe: 1}")
    refused = cli("train", "new", "m", "--recipe", str(file), "--snapshot", SHA)
    assert refused.exit_code == 2
    assert "recipe.yaml" in refused.stderr
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("continue", "m", "--snapshot", SHA), {"kind": "incremental", "model": "m", "snapshot": SHA}),
        (
            ("transfer", "m", "--parent", "base@2", "--recipe", "digits-cnn"),
            {"kind": "transfer", "model": "m", "parent_model": "base", "parent_version": 2, "recipe": "digits-cnn"},
        ),
        (("quantise", "m"), {"kind": "quantise", "model": "m"}),
        (
            ("trainable", "m@4", "--scope", "head", "--batch", "8"),
            {"kind": "trainable", "model": "m", "parent_model": "m", "parent_version": 4, "scope": "head", "batch": 8},
        ),
        (("evaluate", "m@4"), {"kind": "evaluate", "model": "m", "parent_model": "m", "parent_version": 4}),
    ],
)
def test_each_kind_has_its_command(
    cli: Cli, server: FakeServer, bodies: Bodies, words: tuple[str, ...], expected: dict[str, object]
) -> None:
    server.on("POST /v1/training-jobs", httpx.Response(202, json=bodies.training_job()))
    result = cli("train", *words, "--no-wait")
    assert result.exit_code == 0, result.output
    sent = json.loads(server.requests[0].content)
    assert {name: value for name, value in sent.items() if value is not False} == expected


def test_a_quantisation_is_a_table_of_its_forms(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    rows = [
        {"form": form, "size": size, "metric": "accuracy", "value": 0.97, "instructions": 10 * size}
        for form, size in (("float32", 8492), ("int8", 5056))
    ]
    server.on(f"GET {JOB}", httpx.Response(200, json=bodies.training_job(kind="quantise", comparison=rows)))
    shown = cli("train", "show", "trn_0123456789abcdef").stdout
    assert "INSTRUCTIONS, ESTIMATED" in shown
    assert [line.split() for line in shown.splitlines() if line.startswith("int8")] == [
        ["int8", "5,056", "0.97", "50,560"]
    ]


def test_metrics_are_a_row_for_each_epoch(cli: Cli, server: FakeServer) -> None:
    server.on(f"GET {JOB}/metrics", _metrics(1, 2))
    shown = cli("train", "metrics", "trn_0123456789abcdef").stdout.splitlines()
    assert shown[0].split() == ["EPOCH", "LOSS", "ACCURACY"]
    assert shown[2].split() == ["2", "0.5", "0.5"]


def test_jobs_and_recipes_are_listed(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("GET /v1/training-jobs", bodies.page(bodies.training_job()))
    assert "trn_0123456789abcdef" in cli("train", "list", "--model", "my-digits").stdout
    assert server.requests[0].url.params["model"] == "my-digits"
    recipe = {"task": "regression", "epochs": 3, "description": "Sines"}
    server.on("GET /v1/recipes", bodies.page({"name": "sine", "recipe": recipe}))
    assert "Sines" in cli("train", "recipes").stdout
    server.on("GET /v1/recipes/sine", httpx.Response(200, json={"name": "sine", "recipe": recipe}))
    assert json.loads(cli("train", "recipes", "sine").stdout) == recipe


def test_an_evaluation_is_shown_label_by_label_and_its_picture_is_printed(
    cli: Cli, server: FakeServer, bodies: Bodies
) -> None:
    body = {
        "model": "m",
        "version": 2,
        "snapshot_sha256": SHA,
        "task": "classification",
        "samples": 300,
        "split": "test",
        "metric": {"name": "accuracy", "better": "higher", "float32": None, "int8": 0.91},
        "float32": None,
        "int8": {
            "accuracy": 0.91,
            "macro_f1": 0.9,
            "classes": [{"label": "seven", "precision": 0.5, "recall": 0.25, "f1": 0.333, "samples": 40}],
            "calibration": {"expected_calibration_error": 0.031, "bins": []},
        },
        "drift": None,
        "pictures": ["confusion"],
    }
    server.on("GET /v1/models/m/versions/2/evaluation", httpx.Response(200, json=body))
    shown = cli("models", "evaluation", "m@2").stdout
    for part in ("300 of the test split", "int8 0.91 (higher is better)", "0.031", "seven"):
        assert part in shown
    names = [line.split("  ")[0] for line in shown.split("\n\n")[0].splitlines()]
    assert names[3:7] == ["accuracy", "accuracy, int8", "macro f1, int8", "expected calibration error"], "one each"
    server.on("GET /v1/models/m", httpx.Response(200, json=bodies.model(active_version=2)))
    server.on("GET /v1/models/m/versions/2/evaluation/confusion", httpx.Response(200, text="<svg/>"))
    assert cli("models", "evaluation", "m", "--picture", "confusion").stdout == "<svg/>\n"


def test_another_form_of_a_version_is_downloaded_and_checked(
    cli: Cli, server: FakeServer, bodies: Bodies, tmp_path: Path
) -> None:
    sha256 = "9ae6b8d1acc4e4e9b1f6f0a4ad7bd0dfa91ff0dd7cbb0d8eb2e0ff9a35e7b2d0"
    formats = [{"format": "keras", "sha256": sha256, "size": 4}]
    server.on("GET /v1/models/m/versions/1", httpx.Response(200, json=bodies.version(formats=formats)))
    server.on("GET /v1/models/m/versions/1/formats/keras", httpx.Response(200, content=b"data"))
    result = cli("models", "download", "m@1", "--form", "keras", "-o", str(tmp_path / "m.keras"))
    assert result.exit_code != 0  # these bytes hash to something else
    assert not (tmp_path / "m.keras").exists()
    missing = cli("models", "download", "m@1", "--form", "float16", "-o", str(tmp_path / "m"))
    assert "it has keras" in missing.stderr
