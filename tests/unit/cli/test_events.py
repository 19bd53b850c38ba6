"""Server-sent events: parsed with bounds, and taken up where the connection broke."""

from __future__ import annotations

import itertools
import json
from collections import deque
from typing import TYPE_CHECKING

import httpx
import pytest

from app.cli.errors import OffContract
from app.cli.sse import MAX_EVENT_CHARACTERS, EventParser, ServerEvent

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Bodies, BrokenStream, Cli, FakeClock, FakeServer


STREAM = (
    b"retry: 2500\n\n: a comment\n\nid: 7\nevent: build.running\ndata: one\ndata:two\n\n"
    b"id: 8\r\ndata: \xc3\xbc\r\n\r\ndata: no id of its own\r\r"
)
EVENTS = [
    ServerEvent("7", "build.running", "one\ntwo"),
    ServerEvent("8", "message", "ü"),
    ServerEvent("8", "message", "no id of its own"),
]


@pytest.mark.parametrize("piece", [1, 2, 3, 7, len(STREAM)])
def test_a_stream_is_parsed_however_it_is_cut(piece: int) -> None:
    parser = EventParser()
    found = [event for at in range(0, len(STREAM), piece) for event in parser.feed(STREAM[at : at + piece])]
    assert found == EVENTS
    assert parser.retry_seconds == 2.5
    assert parser.last_id == "8"


def test_an_id_counts_only_once_its_event_is_whole() -> None:
    parser = EventParser()
    assert list(parser.feed(b"id: 7\ndata: x\n\nid: 8\ndata: half")) == [ServerEvent("7", "message", "x")]
    assert parser.last_id == "7"
    parser.forget_partial()
    assert list(parser.feed(b"data: whole\n\n")) == [ServerEvent("7", "message", "whole")]


@pytest.mark.parametrize("line", [b"data: x\n", b"data: ", b"x" * 64])
def test_an_event_without_end_is_refused(line: bytes) -> None:
    parser = EventParser()
    endless = itertools.repeat(line * 64, 2 + MAX_EVENT_CHARACTERS // 64)
    with pytest.raises(OffContract):
        deque((event for piece in endless for event in parser.feed(piece)), maxlen=0)


@pytest.mark.parametrize(("stated", "seconds"), [(b"1", 0.2), (b"999999999", 30.0), (b"-1", 1.0), (b"x", 1.0)])
def test_the_pause_that_a_server_asks_for_is_bounded(stated: bytes, seconds: float) -> None:
    parser = EventParser()
    list(parser.feed(b"retry: " + stated + b"\n"))
    assert parser.retry_seconds == seconds


def _stream(bodies: Bodies, *numbers: int) -> bytes:
    return b"".join(f"id: {number}\ndata: {json.dumps(bodies.event(number))}\n\n".encode() for number in numbers)


def test_a_broken_stream_goes_on_after_the_last_event(
    cli: Cli, server: FakeServer, bodies: Bodies, broken_stream: type[BrokenStream]
) -> None:
    half = b"id: 3\ndata: {"
    server.on(
        "GET /v1/events",
        lambda _request: httpx.Response(200, stream=broken_stream(_stream(bodies, 1, 2) + half)),
        httpx.ConnectError("refused"),
        httpx.Response(200, content=_stream(bodies, 3)),
    )
    result = cli("events", "--until-now", "--json", "--subject", "build/bld_1")
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == [1, 2, 3]
    assert [request.headers.get("Last-Event-ID") for request in server.requests] == [None, "2", "2"]
    assert server.requests[0].url.params["subject"] == "build/bld_1"
    assert result.stderr.count("Trying again from event 2") == 2


def test_a_stream_that_the_server_ends_is_opened_again(
    cli: Cli, server: FakeServer, bodies: Bodies, clock: FakeClock
) -> None:
    server.on(
        "GET /v1/events",
        httpx.Response(200, content=b"retry: 4000\n\n" + _stream(bodies, 5)),
        httpx.Response(200, content=_stream(bodies, 6)),
        httpx.ConnectError("refused"),
    )
    result = cli("events", "--since", "4")
    assert result.exit_code == 4
    assert [request.headers["Last-Event-ID"] for request in server.requests[:3]] == ["4", "5", "6"]
    assert result.stdout.count("build.running") == 2
    assert clock.now >= 120


def test_a_first_connection_that_fails_is_not_tried_again(cli: Cli, server: FakeServer) -> None:
    server.on("GET /v1/events", httpx.ConnectError("refused"))
    assert cli("events").exit_code == 4
    assert len(server.requests) == 1


def test_a_subject_that_is_none_is_refused(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("GET /v1/events", bodies.problem(422))
    assert cli("events", "--subject", "x").exit_code == 3


def test_an_event_off_the_contract_ends_it(cli: Cli, server: FakeServer) -> None:
    server.on("GET /v1/events", httpx.Response(200, content=b'id: 1\ndata: {"id": 1}\n\n'))
    assert cli("events").exit_code == 4
