"""`builders check --on-server`: followed to its end, its rules shown with what to do, its outcome the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Bodies, Cli, FakeServer

BUILDER = "bldr_0123456789abcdef"
CHECKS = f"/v1/builders/{BUILDER}/checks"
CHECK = f"{CHECKS}/chk_0123456789abcdef"


def rule(id_: str, outcome: str, remedy: str = "") -> dict[str, str]:
    return {"id": id_, "title": f"Title of {id_}", "outcome": outcome, "detail": "seen", "remedy": remedy}


def check(bodies: Bodies, state: str, *rules: dict[str, str], **more: Any) -> httpx.Response:
    body = {
        "id": "chk_0123456789abcdef",
        "builder_id": BUILDER,
        "digest": f"sha256:{bodies.sha}",
        "state": state,
        "rules": list(rules),
        "error": None,
        "attempts": 1,
        "created_at": bodies.at,
        "started_at": None,
        "finished_at": None,
        **more,
    }
    return httpx.Response(202 if state == "queued" else 200, json=body)


def test_a_check_is_followed_and_every_broken_rule_has_its_remedy(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    rules = rule("build.log", "passed"), rule("sandbox.network", "failed", "Put it into the image.")
    server.on(f"POST {CHECKS}", check(bodies, "queued"))
    server.on(f"GET {CHECK}", check(bodies, "running", rules[0]), check(bodies, "failed", *rules))
    result = cli("builders", "check", "--on-server", BUILDER)
    assert result.exit_code == 1
    assert "Put it into the image." in result.stdout
    assert "breaks 1 rules: sandbox.network" in result.stderr


def test_a_check_that_passes_ends_well(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on(f"POST {CHECKS}", check(bodies, "queued"))
    server.on(f"GET {CHECK}", check(bodies, "passed", rule("build.log", "passed")))
    result = cli("builders", "check", "--on-server", BUILDER)
    assert result.exit_code == 0, result.output
    assert "keeps every rule (1 tried)" in result.stderr


@pytest.mark.parametrize("as_json", [False, True])
def test_a_check_that_could_not_be_made_is_no_pass(cli: Cli, server: FakeServer, bodies: Bodies, as_json: bool) -> None:
    error = {"slug": "docker_unavailable", "detail": "No engine answers.", "remedy": "Start one."}
    server.on(f"POST {CHECKS}", check(bodies, "queued"))
    server.on(f"GET {CHECK}", check(bodies, "failed", error=error))
    result = cli(*(("--json",) if as_json else ()), "builders", "check", "--on-server", BUILDER)
    assert result.exit_code == 1
    assert "No engine answers." in result.output


def test_the_last_check_is_shown_on_the_builder(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    body = check(bodies, "failed", rule("stop.sigterm", "failed", "Listen."), rule("build.log", "passed")).json()
    server.on(f"GET /v1/builders/{BUILDER}", httpx.Response(200, json={**bodies.builder(), "check": body}))
    shown = cli("builders", "show", BUILDER).stdout
    assert "failed (1 failed, 1 passed), chk_0123456789abcdef" in shown
    assert "Listen." in shown
