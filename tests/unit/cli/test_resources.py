"""A device's resources and key from the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Cli, FakeServer

BASE = "/v1/devices/board-1"
VALUES = {
    "endpoint": "board-1",
    "values": [
        {"path": "/3/0/3", "name": "Firmware Version", "type": "string", "value": "1.0.0+7"},
        {"path": "/3/0/13", "name": "Current Time", "type": "time", "value": 1767225600},
    ],
}
WRITTEN = {"endpoint": "board-1", "path": "/1/0/1"}


def test_what_is_read_is_a_table_of_paths_names_and_values(cli: Cli, server: FakeServer) -> None:
    server.on(f"GET {BASE}/resources/3/0", httpx.Response(200, json=VALUES))
    result = cli("devices", "read", "board-1", "/3/0")
    assert result.exit_code == 0, result.output
    assert "Firmware Version" in result.stdout
    assert "1767225600" in result.stdout
    assert json.loads(cli("devices", "read", "board-1", "3/0", "--json").stdout) == VALUES


@pytest.mark.parametrize(
    ("text", "sent"), [("60", 60), ("true", True), ('"60"', "60"), ("coap://x/y", "coap://x/y"), ("1.5", 1.5)]
)
def test_a_value_is_json_or_plain_text(cli: Cli, server: FakeServer, text: str, sent: object) -> None:
    server.on(f"PUT {BASE}/resources/1/0/1", httpx.Response(200, json=WRITTEN))
    result = cli("devices", "write", "board-1", "1/0/1", text)
    assert result.exit_code == 0, result.output
    assert json.loads(server.requests[0].content)["value"] == sent


def test_a_resource_is_executed_with_arguments(cli: Cli, server: FakeServer) -> None:
    server.on(f"POST {BASE}/resources/3/0/4", httpx.Response(200, json=WRITTEN))
    assert cli("devices", "execute", "board-1", "3/0/4", "--arguments", "0='x'").exit_code == 0
    assert json.loads(server.requests[0].content) == {"arguments": "0='x'"}


def test_an_observation_is_begun_and_ended(cli: Cli, server: FakeServer) -> None:
    server.on(f"PUT {BASE}/observations/5/0/3", httpx.Response(200, json=VALUES))
    server.on(f"DELETE {BASE}/observations/5/0/3", httpx.Response(204))
    assert cli("devices", "observe", "board-1", "5/0/3").exit_code == 0
    assert cli("devices", "observe", "board-1", "5/0/3", "--stop").exit_code == 0


def test_a_device_that_refuses_is_a_failure_of_what_lies_behind_the_server(cli: Cli, server: FakeServer) -> None:
    problem = {
        "type": "tag:tinymlaas,2026:problem/device_refused",
        "title": "Device failed",
        "status": 502,
        "detail": "The device answered 4.05.",
        "slug": "device_refused",
        "remedy": "See its object links.",
    }
    reply = httpx.Response(502, json=problem, headers={"Content-Type": "application/problem+json"})
    server.on(f"POST {BASE}/resources/5/0/2", reply)
    result = cli("devices", "execute", "board-1", "5/0/2")
    assert result.exit_code == 4
    assert "4.05" in result.stderr


def test_a_key_is_set_shown_and_deleted(cli: Cli, server: FakeServer) -> None:
    issued = {"endpoint": "board-1", "identity": "board-1", "key": "00" * 16, "created_at": "2026-11-21T00:00:00Z"}
    known = {name: value for name, value in issued.items() if name != "key"}
    server.on(f"PUT {BASE}/credentials", httpx.Response(200, json=issued))
    server.on(f"GET {BASE}/credentials", httpx.Response(200, json=known))
    server.on(f"DELETE {BASE}/credentials", httpx.Response(204))
    assert "00" * 16 in cli("devices", "credentials", "set", "board-1").stdout
    assert "00" * 16 not in cli("devices", "credentials", "show", "board-1").stdout
    assert cli("devices", "credentials", "delete", "board-1").exit_code == 0
