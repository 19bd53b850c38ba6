"""A federation is begun, enrolled in and told of from the command line; a token is shown once or kept in a file."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Bodies, Cli, FakeServer

ID = "fed_0123456789abcdef"
PATH = f"/v1/federations/{ID}"
SHA = "ab" * 32
SETTINGS = {
    "rounds": 3,
    "fraction": 1.0,
    "minimum_clients": 2,
    "deadline_seconds": 60,
    "training": {"epochs": 2, "batch_size": 16, "learning_rate": 0.05},
    "clip_norm": None,
    "noise_multiplier": 0.0,
    "outlier_factor": 6.0,
    "max_samples": 100_000,
    "seed": 1,
}
SCORE = {"metric": "accuracy", "value": 0.8125, "loss": 0.5}


def _federation(state: str, **more: Any) -> httpx.Response:
    body = {
        "id": ID,
        "name": "wards",
        "state": state,
        "model": "my-digits",
        "version": 1,
        "scope": "all",
        "snapshot_sha256": SHA,
        "settings": SETTINGS,
        "parameters": [{"name": "dense/kernel", "shape": [64, 10]}],
        "trainable": {"layers": []},
        "clients": 2,
        "round": 0,
        "history": [{"round": 0, "score": {**SCORE, "value": 0.1}}],
        "result": None,
        "training_job_id": None,
        "error": None,
        "created_at": "2026-01-01T00:00:00Z",
        "started_at": None,
        "finished_at": None,
        **more,
    }
    return httpx.Response(200, json=body)


def _round(number: int, **more: Any) -> dict[str, Any]:
    update = {
        "client_id": "cli_0123456789abcdef",
        "client": "ward-7",
        "state": "averaged",
        "samples": 40,
        "size": 9738,
        "norm": 1.5,
        "loss": 0.3,
        "reason": None,
        "received_at": "2026-01-01T00:00:00Z",
    }
    reason = {"slug": "outlier", "detail": "It moved by 150.", "remedy": "Check the labels."}
    return {
        "round": number,
        "state": "closed",
        "selected": ["ward-7", "ward-8"],
        "minimum_updates": 1,
        "model_sha256": SHA,
        "result_sha256": SHA,
        "updates": [update, {**update, "client": "ward-8", "state": "refused", "reason": reason}],
        "samples": 40,
        "score": SCORE,
        "deadline_at": "2026-01-01T00:00:00Z",
        "opened_at": "2026-01-01T00:00:00Z",
        "closed_at": "2026-01-01T00:00:00Z",
        **more,
    }


def test_a_federation_is_begun_and_waited_for_until_clients_can_enrol(cli: Cli, server: FakeServer) -> None:
    server.on("POST /v1/federations", _federation("preparing", parameters=None, trainable=None, history=[]))
    server.on(f"GET {PATH}", _federation("preparing"), _federation("enrolling"))
    result = cli("federations", "create", "my-digits@1", "--snapshot", SHA, "--rounds", "3", "--outlier-factor", "6")
    assert result.exit_code == 0, result.output
    sent = json.loads(server.requests[0].content)
    assert (sent["model"], sent["version"], sent["snapshot"], sent["rounds"]) == ("my-digits", 1, SHA, 3)
    assert sent["training"] == {"epochs": 1, "batch_size": 16, "learning_rate": 0.01}
    assert sent["outlier_factor"] == 6
    assert "clip_norm" not in sent
    assert "enrolling" in result.stdout
    assert "dense/kernel 64x10" in result.stdout


def test_one_that_cannot_be_prepared_is_an_end_that_is_not_wanted(cli: Cli, server: FakeServer) -> None:
    error = {"slug": "data_unsuitable", "detail": "The model takes samples of [8, 8, 1].", "remedy": "Take another."}
    server.on("POST /v1/federations", _federation("failed", error=error))
    result = cli("federations", "create", "my-digits", "--snapshot", SHA, "--no-wait")
    assert result.exit_code == 1
    assert "Remedy: Take another." in result.stderr


def test_a_token_is_shown_once_or_goes_into_a_file_of_its_owner_alone(
    cli: Cli, server: FakeServer, tmp_path: Path
) -> None:
    enrolled = {
        "id": "cli_0123456789abcdef",
        "name": "ward-7",
        "endpoint": None,
        "token": "the-token",
        "created_at": "2026-01-01T00:00:00Z",
    }
    server.on(f"POST {PATH}/clients", httpx.Response(201, json=enrolled))
    shown = cli("federations", "enrol", ID, "ward-7")
    assert "the-token" in shown.stdout
    assert f"/federate#federation={ID}&token=the-token" in shown.stdout.replace("\n", "")
    file = tmp_path / "ward-7.token"
    for more in ((), ("--json",)):
        kept = cli("federations", "enrol", ID, "ward-7", "--token-file", str(file), *more)
        assert kept.exit_code == 0, kept.output
        assert "the-token" not in kept.output
        assert file.read_text() == "the-token"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_no_token_is_asked_for_that_could_not_be_kept(cli: Cli, server: FakeServer, tmp_path: Path) -> None:
    refused = cli("federations", "enrol", ID, "ward-7", "--token-file", str(tmp_path / "missing" / "ward-7.token"))
    assert (refused.exit_code, "cannot be written" in refused.stderr) == (1, True), refused.output
    assert server.requests == [], "the server tells a token once"


def test_a_client_has_a_name_or_is_a_board_and_a_board_has_no_token(cli: Cli, server: FakeServer) -> None:
    for words in ((), ("ward-7", "--endpoint", "board-1"), ("--endpoint", "board-1", "--token-file", "t")):
        assert cli("federations", "enrol", ID, *words).exit_code == 2
    assert server.requests == []


def test_a_federation_is_followed_to_its_end(cli: Cli, server: FakeServer) -> None:
    result = {"model": "my-digits", "version": 2}
    history = [
        {"round": number, "score": {**SCORE, "value": value}} for number, value in enumerate((0.1, 0.5, 0.75, 0.8125))
    ]
    server.on(
        f"GET {PATH}",
        _federation("running"),
        _federation("running", round=1),
        _federation("running", round=2, history=history[:2]),
        _federation("finished", round=3, result=result, history=history),
    )
    followed = cli("federations", "follow", ID)
    assert followed.exit_code == 0, followed.output
    assert "my-digits@2" in followed.stdout
    assert "accuracy 0.8125" in followed.stdout
    each_round = [
        "round 1 of 3: accuracy 0.5",
        "round 2 of 3: accuracy 0.75",
        "round 3 of 3: accuracy 0.8125",
    ]
    assert [line for line in followed.stderr.splitlines() if line.startswith("round")] == each_round
    ended_before = cli("federations", "follow", ID)
    assert [line for line in ended_before.stderr.splitlines() if line.startswith("round")] == each_round
    assert cli("federations", "follow", ID, "--json").stderr == ""


def test_rounds_are_a_table_and_one_of_them_says_why_an_update_was_refused(
    cli: Cli, server: FakeServer, bodies: Bodies
) -> None:
    server.on(f"GET {PATH}/rounds", bodies.page(_round(2), _round(1)))
    rows = [line.split() for line in cli("federations", "rounds", ID).stdout.splitlines()]
    assert rows[1][:6] == ["2", "closed", "2", "1", "1", "40"]
    server.on(f"GET {PATH}/rounds/2", httpx.Response(200, json=_round(2)))
    assert "outlier: It moved by 150." in cli("federations", "round", ID, "2").stdout


def test_the_other_words_reach_their_operations(cli: Cli, server: FakeServer, bodies: Bodies, tmp_path: Path) -> None:
    client = {"id": "cli_0123456789abcdef", "name": "ward-7", "endpoint": None, "created_at": "2026-01-01T00:00:00Z"}
    server.on(f"GET {PATH}", _federation("running"))
    server.on(f"POST {PATH}/start", _federation("running"))
    server.on(f"POST {PATH}/cancellation", _federation("cancelled"))
    server.on(f"GET {PATH}/clients", bodies.page(client))
    server.on(f"DELETE {PATH}/clients/cli_0123456789abcdef", httpx.Response(204))
    server.on("GET /v1/federations", bodies.page(_federation("running").json()))
    server.on(f"GET {PATH}/picture", httpx.Response(200, text="<svg/>"))
    svg = tmp_path / "accuracy.svg"
    for words, told in (
        (("show", ID), "wards"),
        (("start", ID), "running"),
        (("cancel", ID), "cancelled"),
        (("clients", ID), "ward-7"),
        (("remove", ID, "cli_0123456789abcdef"), "is out"),
        (("list", "--state", "running"), "accuracy 0.1"),
        (("picture", ID, "-o", str(svg)), "is written"),
    ):
        result = cli("federations", *words)
        assert result.exit_code == 0, result.output
        assert told in result.output
    assert svg.read_text() == "<svg/>"
    assert server.sent("GET /v1/federations")[0].url.params["state"] == "running"


def test_a_version_that_is_an_average_says_of_whom(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    rounds = [{"round": number, "clients": ["ward-7", f"ward-{number}"], "samples": 40} for number in (1, 2)]
    lineage = {
        "job_id": "trn_0123456789abcdef",
        "kind": "federation-result",
        "snapshot_sha256": SHA,
        "dataset": "shared",
        "recipe": None,
        "seed": None,
        "parent": {"model": "my-digits", "version": 1, "sha256": SHA},
        "federation": {"federation_id": ID, "scope": "all", "rounds": rounds},
        "code": {},
    }
    server.on("GET /v1/models/my-digits/versions/2", httpx.Response(200, json=bodies.version(lineage=lineage)))
    assert f"up to 2 clients in each of 2 rounds of {ID}" in cli("models", "show", "my-digits@2").stdout
