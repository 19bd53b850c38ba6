"""Lists follow the cursor, as far as they are asked to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Bodies, Cli, FakeServer


def _models(bodies: Bodies, first: int, count: int) -> list[object]:
    return [bodies.model(f"model-{number}") for number in range(first, first + count)]


def test_all_follows_every_cursor(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    first, second = _models(bodies, 0, 200), _models(bodies, 200, 3)
    server.on("GET /v1/models", bodies.page(*first, cursor="two"), bodies.page(*second))
    page = json.loads(cli("models", "list", "--all", "--json").stdout)
    assert page == {"items": first + second, "next_cursor": None}
    assert [request.url.params.get("cursor") for request in server.requests] == [None, "two"]


def test_a_limit_is_asked_for_and_the_rest_is_told(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("GET /v1/models", bodies.page(*_models(bodies, 0, 2), cursor="more"))
    result = cli("models", "list", "--limit", "2")
    assert [request.url.params["limit"] for request in server.requests] == ["2"]
    assert "There are more" in result.stderr
    assert len(result.stdout.splitlines()) == 3


def test_short_pages_are_joined_up_to_the_limit(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    pages = [bodies.page(*_models(bodies, number, 1), cursor=f"c{number}") for number in range(5)]
    server.on("GET /v1/models", *pages)
    cli("models", "list", "--limit", "3")
    assert [request.url.params["limit"] for request in server.requests] == ["3", "2", "1"]


def test_a_cursor_that_leads_nowhere_does_not_go_round_for_ever(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("GET /v1/models", bodies.page(bodies.model(), cursor="same"))
    result = cli("models", "list", "--all")
    assert result.exit_code == 4
    assert "the same cursor twice" in result.stderr


def test_an_empty_list_says_so_and_json_says_nothing_more(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("GET /v1/devices", bodies.page())
    assert "There are none." in cli("devices", "list").stderr
    assert cli("devices", "list", "--json").stderr == ""


def test_filters_travel_with_every_page(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("GET /v1/builds", bodies.page(bodies.build(), cursor="c"), bodies.page(bodies.build()))
    cli("builds", "list", "--state", "succeeded", "--model", "digits-cnn", "--all")
    for request in server.requests:
        assert (request.url.params["state"], request.url.params["model"]) == ("succeeded", "digits-cnn")


def test_every_noun_has_its_list(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    board = {"name": "mps2-an386", "cpu": "cortex-m4", "flash_bytes": 4194304, "ram_bytes": 1, "builders": ["b"]}
    for call, item, command, shown in (
        ("/v1/boards", board, ("boards", "list"), "4,194,304"),
        ("/v1/builders", bodies.builder(), ("builders", "list"), "bldr_0123456789abcdef"),
        ("/v1/artifacts", bodies.artifact(), ("artifacts", "list"), bodies.sha),
        ("/v1/devices", bodies.device(), ("devices", "list"), "digits-cnn@1"),
        ("/v1/devices/demo-board/history", bodies.event(3), ("devices", "history", "demo-board"), "build.running"),
        ("/v1/updates", bodies.update("rolled-back"), ("updates", "list"), "rolled-back"),
    ):
        server.on(f"GET {call}", bodies.page(item))
        result = cli(*command)
        assert result.exit_code == 0, result.output
        assert shown in result.stdout


def test_a_name_with_a_slash_stays_one_segment_of_the_path(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("GET /v1/devices/a/../b", bodies.problem(404))
    cli("devices", "show", "a/../b")
    assert server.requests[0].url.raw_path == b"/v1/devices/a%2F..%2Fb"


def test_what_a_device_says_does_not_steer_the_terminal(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("GET /v1/devices", bodies.page(bodies.device(endpoint="evil\x1b[2Jboard", board="[red]x[/red]")))
    shown = cli("devices", "list").stdout
    assert "\x1b" not in shown
    assert "[red]x[/red]" in shown
    assert "\x1b" not in cli("devices", "list", "--json").stdout
