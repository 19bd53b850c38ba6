"""An update is followed until the device has proven it, or has not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Bodies, Cli, FakeServer


UPDATE = "/v1/updates/upd_0123456789abcdef"


def _states(bodies: Bodies, *states: str) -> list[httpx.Response]:
    return [httpx.Response(200, json=bodies.update(state)) for state in states]


@pytest.mark.parametrize(("option", "delivery"), [("--push", "push"), ("--pull", "pull"), (None, "pull")])
def test_an_update_is_followed_through_its_states(
    cli: Cli, server: FakeServer, bodies: Bodies, option: str | None, delivery: str
) -> None:
    server.on("POST /v1/updates", httpx.Response(202, json=bodies.update("pending")))
    server.on(f"GET {UPDATE}", *_states(bodies, "pending", "downloading", "downloading", "verifying", "succeeded"))
    result = cli("updates", "create", "demo-board", bodies.sha, *([option] if option else []))
    assert result.exit_code == 0, result.output
    assert json.loads(server.requests[0].content) == {
        "endpoint": "demo-board",
        "artifact_sha256": bodies.sha,
        "method": "auto",
        "delivery": delivery,
    }
    told = [line.split(": ")[1] for line in result.stderr.splitlines()]
    assert told == ["pending", "downloading", "verifying", "succeeded"]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("--build", "bld_0123456789abcdef"), {"build_id": "bld_0123456789abcdef", "method": "auto"}),
        (
            ("--build", "bld_0123456789abcdef", "--method", "sota"),
            {"build_id": "bld_0123456789abcdef", "method": "sota"},
        ),
        (("--built-in",), {"model_source": "built-in", "method": "auto"}),
    ],
)
def test_a_build_or_the_firmwares_own_model_can_be_asked_for(
    cli: Cli, server: FakeServer, bodies: Bodies, words: tuple[str, ...], wanted: dict[str, str]
) -> None:
    figures = {"longest_gap_ticks": 1900, "inference_ticks": 1000, "inferences": 12}
    why = "SOTA: the model alone, 10 bytes, goes into slot b."
    update = bodies.update("pending", kind="sota", slot="model-b", choice_reason=why, inference=figures)
    server.on("POST /v1/updates", httpx.Response(202, json=update))
    result = cli("updates", "create", "demo-board", *words, "--no-wait")
    assert result.exit_code == 0, result.output
    assert json.loads(server.requests[0].content) == {"endpoint": "demo-board", "delivery": "pull", **wanted}
    assert why in result.stdout
    assert "1,900 ticks; an inference takes 1,000" in result.stdout


def test_urgency_goes_with_the_update(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    pending = bodies.update("pending", severity="optional", max_defer_seconds=3600)
    server.on("POST /v1/updates", httpx.Response(202, json=pending))
    wishes = ("--severity", "optional", "--max-defer", "3600")
    result = cli("updates", "create", "demo-board", bodies.sha, *wishes, "--no-wait")
    assert result.exit_code == 0, result.output
    body = json.loads(server.requests[0].content)
    assert (body["severity"], body["max_defer_seconds"]) == ("optional", 3600)
    assert "3600 s" in result.output


@pytest.mark.parametrize("state", ["failed", "rolled-back", "cancelled"])
def test_a_device_that_did_not_keep_it_is_explained(cli: Cli, server: FakeServer, bodies: Bodies, state: str) -> None:
    server.on(f"GET {UPDATE}", *_states(bodies, state))
    server.on(f"GET {UPDATE}/explain", httpx.Response(200, json=bodies.explanation(state)))
    result = cli("updates", "watch", "upd_0123456789abcdef")
    assert result.exit_code == 1
    assert "Error: The device put the previous image back." in result.stderr
    assert "Remedy: Read the device's report." in result.stderr


def test_with_json_the_update_alone_is_printed(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("POST /v1/updates", httpx.Response(202, json=bodies.update("pending")))
    server.on(f"GET {UPDATE}", *_states(bodies, "pending", "succeeded"))
    result = cli("--json", "updates", "create", "demo-board", bodies.sha)
    assert json.loads(result.stdout) == bodies.update("succeeded")
    assert result.stderr == ""


def test_no_wait_asks_nothing_more(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("POST /v1/updates", httpx.Response(202, json=bodies.update("pending")))
    assert cli("updates", "create", "demo-board", bodies.sha, "--no-wait").exit_code == 0
    assert len(server.requests) == 1


def test_a_busy_device_is_a_refusal(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("POST /v1/updates", bodies.problem(409))
    assert cli("updates", "create", "demo-board", bodies.sha).exit_code == 3


def test_an_explanation_shows_every_step(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on(f"GET {UPDATE}/explain", httpx.Response(200, json=bodies.explanation("rolled-back")))
    shown = cli("updates", "explain", "upd_0123456789abcdef").stdout
    assert "8: firmware update failed" in shown
    assert "queued" in shown
