"""Versions are watched, alarms are told in tables, and what a retraining needs is sent as the API wants it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Cli, FakeServer

MONITOR, ALARM = "mon_0123456789abcdef", "alm_0123456789abcdef"
PATH = f"/v1/drift-monitors/{MONITOR}"
SHA = "ab" * 32
AT = "2026-01-01T00:00:00Z"
ERROR = {"slug": "data_unsuitable", "detail": "It does not fit.", "remedy": "Take another.", "field": None}
COMPARISONS = [
    {
        "statistic": "classes",
        "method": "psi",
        "value": 0.5,
        "threshold": 0.25,
        "drifted": True,
        "samples": 200,
    }
]


def _monitor(state: str = "watching", **more: Any) -> dict[str, Any]:
    reference = {"task": "classification", "split": "test", "samples": 268, "labels": [], "distributions": []}
    return {
        "id": MONITOR,
        "state": state,
        "model": "digits-cnn",
        "version": 1,
        "model_sha256": SHA,
        "snapshot_sha256": SHA,
        "job_id": "trn_0123456789abcdef",
        "error": None,
        "window_samples": 200,
        "consecutive": 2,
        "significance": 0.001,
        "psi_limit": 0.25,
        "distance_limit": 0.2,
        "statistics": None,
        "action": {"kind": "none"},
        "reference": reference if state == "watching" else None,
        "devices": 3,
        "open_alarms": 1,
        "created_at": AT,
        **more,
    }


def _device() -> dict[str, Any]:
    return {
        "endpoint": "board-1",
        "samples": 431,
        "windows": 2,
        "skipped": {"too_many": 7},
        "above": {"classes": 2},
        "alarm_id": ALARM,
        "updated_at": AT,
    }


def _alarm(**more: Any) -> dict[str, Any]:
    return {
        "id": ALARM,
        "state": "open",
        "monitor_id": MONITOR,
        "endpoint": "board-1",
        "model": "digits-cnn",
        "version": 1,
        "statistic": "classes",
        "method": "psi",
        "value": 0.5,
        "threshold": 0.25,
        "window": 2,
        "samples": 200,
        "latest": COMPARISONS,
        "action": {"kind": "training_job", "state": "opened", "job_id": "trn_0123456789abcdef"}
        | {"federation_id": None, "error": None},
        "since": AT,
        "raised_at": AT,
        "acknowledged_at": None,
        "note": None,
        "cleared_at": None,
        "cleared_because": None,
        **more,
    }


def test_a_version_is_watched_once_its_reference_is_there_and_may_be_retrained_on_what_is_collected(
    cli: Cli, server: FakeServer
) -> None:
    server.on("POST /v1/drift-monitors", httpx.Response(202, json=_monitor("preparing")))
    server.on(f"GET {PATH}", *(httpx.Response(200, json=_monitor(state)) for state in ("preparing", "watching")))
    result = cli(
        *("drift", "watch", "digits-cnn@1", "--snapshot", SHA, "--statistic", "classes", "--window", "100"),
        *("--retrain", "incremental", "--dataset", "field", "--epochs", "3", "--cooldown", "60"),
    )
    assert result.exit_code == 0, result.output
    sent = json.loads(server.requests[0].content)
    assert sent == {
        "model": "digits-cnn",
        "version": 1,
        "snapshot": SHA,
        "window_samples": 100,
        "consecutive": 2,
        "significance": 0.001,
        "psi_limit": 0.25,
        "distance_limit": 0.2,
        "statistics": ["classes"],
        "action": {
            "kind": "training_job",
            "training_job": sent["action"]["training_job"],
            "dataset": "field",
            "cooldown_seconds": 60,
        },
    }
    job = sent["action"]["training_job"]
    assert (job["kind"], job["model"], job["parent_model"], job["parent_version"], job["epochs"]) == (
        *("incremental", "digits-cnn", "digits-cnn", 1),
        3,
    )
    assert "268 samples of the test split" in result.stdout


def test_a_monitor_without_a_reference_is_an_end_that_is_not_wanted(cli: Cli, server: FakeServer) -> None:
    server.on("POST /v1/drift-monitors", httpx.Response(202, json=_monitor("preparing")))
    server.on(f"GET {PATH}", httpx.Response(200, json=_monitor("failed", error=ERROR)))
    result = cli("drift", "watch", "digits-cnn")
    assert result.exit_code == 1
    assert "Error: It does not fit." in result.stderr
    assert "Remedy: Take another." in result.stderr


def test_options_of_a_retraining_without_one_are_refused_before_anything_is_sent(cli: Cli, server: FakeServer) -> None:
    result = cli("drift", "watch", "digits-cnn", "--dataset", "field")
    assert result.exit_code == 2
    assert "--retrain" in result.stderr
    assert server.requests == []


def test_a_federation_in_a_file_is_checked_here_and_sent_with_the_monitor(
    cli: Cli, server: FakeServer, tmp_path: Path
) -> None:
    file = tmp_path / "federation.json"
    file.write_text(json.dumps({"model": "digits-cnn", "snapshot": SHA, "rounds": 5}))
    server.on("POST /v1/drift-monitors", httpx.Response(202, json=_monitor()))
    assert cli("drift", "watch", "digits-cnn", "--federation", str(file)).exit_code == 0
    action = json.loads(server.requests[0].content)["action"]
    assert (action["kind"], action["federation"]["rounds"]) == ("federation", 5)
    both = cli("drift", "watch", "digits-cnn", "--federation", str(file), "--retrain", "incremental")
    assert both.exit_code == 2
    file.write_text('{"model": "digits-cnn", "snapshot": "x"}')
    wrong = cli("drift", "watch", "digits-cnn", "--federation", str(file))
    assert wrong.exit_code == 2
    assert "snapshot" in wrong.stderr
    assert len(server.requests) == 1


def test_monitors_devices_and_windows_are_tables(cli: Cli, server: FakeServer) -> None:
    server.on("GET /v1/drift-monitors", httpx.Response(200, json={"items": [_monitor()], "next_cursor": None}))
    server.on(f"GET {PATH}/devices", httpx.Response(200, json={"items": [_device()], "next_cursor": None}))
    window = {
        "number": 2,
        "samples": 200,
        "distributions": [],
        "comparisons": COMPARISONS,
        "opened_at": AT,
        "closed_at": AT,
    }
    open_ = {**window, "number": 3, "samples": 31, "comparisons": None, "closed_at": None}
    windows = {"device": _device(), "windows": [open_, window]}
    server.on(f"GET {PATH}/devices/board-1", httpx.Response(200, json=windows))
    assert "digits-cnn@1" in cli("drift", "list", "--model", "digits-cnn").stdout
    assert server.requests[0].url.params["model"] == "digits-cnn"
    assert "too_many 7" in cli("drift", "devices", MONITOR).stdout
    shown = cli("drift", "show", MONITOR, "board-1").stdout
    assert "0.500 of 0.250" in shown
    assert ALARM in shown


def test_alarms_are_listed_shown_and_acknowledged(cli: Cli, server: FakeServer) -> None:
    server.on("GET /v1/alarms", httpx.Response(200, json={"items": [_alarm()], "next_cursor": None}))
    server.on(f"GET /v1/alarms/{ALARM}", httpx.Response(200, json=_alarm()))
    seen = _alarm(acknowledged_at=AT, note="the lens is dirty")
    server.on(f"POST /v1/alarms/{ALARM}/acknowledgement", httpx.Response(200, json=seen))
    assert "training_job opened: trn_0123456789abcdef" in cli("alarms", "list", "--state", "open").stdout
    assert server.requests[0].url.params["state"] == "open"
    assert "classes (psi): 0.500, threshold 0.250" in cli("alarms", "show", ALARM).stdout
    assert "the lens is dirty" in cli("alarms", "acknowledge", ALARM, "--note", "the lens is dirty").stdout
    assert json.loads(server.requests[-1].content) == {"note": "the lens is dirty"}


@pytest.mark.parametrize("chosen", [(), ("--window", "2")])
def test_a_window_is_drawn_into_a_file(cli: Cli, server: FakeServer, tmp_path: Path, chosen: tuple[str, ...]) -> None:
    server.on(f"GET {PATH}/devices/board-1/picture", httpx.Response(200, text="<svg/>"))
    file = tmp_path / "window.svg"
    assert cli("drift", "picture", MONITOR, "board-1", "-o", str(file), *chosen).exit_code == 0
    assert file.read_text() == "<svg/>"
    assert server.requests[0].url.params.get("window") == (chosen[1] if chosen else None)


def test_a_monitor_is_stopped(cli: Cli, server: FakeServer) -> None:
    server.on(f"DELETE {PATH}", httpx.Response(204))
    assert "is removed" in cli("drift", "stop", MONITOR).stderr
