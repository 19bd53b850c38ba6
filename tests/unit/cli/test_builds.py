"""A build is followed to its end, its log live."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Bodies, Cli, FakeClock, FakeServer


BUILD = "/v1/builds/bld_0123456789abcdef"
CREATE = ("builds", "create", "digits-cnn@1", "--board", "mps2-an386")


def log_of(text: bytes, *, piece: int = 7) -> Callable[[httpx.Request], httpx.Response]:
    """The log's endpoint, which gives a few bytes at a time, cut anywhere."""

    def answer(request: httpx.Request) -> httpx.Response:
        offset = int(request.url.params["offset"])
        part = text[offset : offset + piece]
        return httpx.Response(200, headers={"Next-Offset": str(offset + len(part))}, content=part)

    return answer


def test_the_log_is_followed_until_the_build_has_ended(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("POST /v1/builds", httpx.Response(202, json=bodies.build("queued")))
    states = [httpx.Response(200, json=bodies.build(state)) for state in ("queued", "running", "succeeded")]
    server.on(f"GET {BUILD}", *states)
    server.on(f"GET {BUILD}/log", log_of("compiling\r\nprüfe §\nno line end".encode()))
    result = cli(*CREATE, "-p", "opt=2", "-p", "name=fast", "--security-counter", "4")
    assert result.exit_code == 0, result.output
    assert json.loads(server.requests[0].content) == {
        "model": "digits-cnn",
        "version": 1,
        "board": "mps2-an386",
        "parameters": {"opt": 2, "name": "fast"},
        "firmware_version": "1.0.0",
        "security_counter": 4,
    }
    for line in ("compiling\n", "prüfe §\n", "no line end\n"):
        assert line in result.stderr
    assert bodies.sha in result.stdout


def test_every_image_of_a_build_is_shown_with_its_slot(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    images = [bodies.build_artifact()]
    images += [bodies.build_artifact(kind="model", file=f"model-{x}.bin", slot=f"model-{x}", size=4711) for x in "ab"]
    server.on(f"GET {BUILD}", httpx.Response(200, json=bodies.build(artifacts=images)))
    shown = cli("builds", "show", "bld_0123456789abcdef").stdout
    for line in (
        "firmware firmware.bin, 35,000 bytes for slot firmware",
        "model model-a.bin, 4,711 bytes for slot model-a",
        "model model-b.bin, 4,711 bytes for slot model-b",
    ):
        assert line in shown


PERFORMANCE = {
    "basis": "measured",
    "instructions": 265560,
    "cycles": None,
    "macs": 199000,
    "seconds": None,
    "layers_basis": "estimated",
    "details": {},
    "notes": ["The layers are scaled."],
    "layers": [
        {"name": "layer 0", "operator": "CONV_2D", "instructions": 37920, "cycles": None, "macs": 9216, "seconds": None}
    ],
}


def test_figures_say_whether_they_were_estimated_or_measured(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on(f"GET {BUILD}", httpx.Response(200, json=bodies.build(performance=PERFORMANCE)))
    shown = cli("builds", "show", "bld_0123456789abcdef").stdout
    assert "265,560 instructions, 199,000 MACs (measured)" in shown
    assert "The layers are scaled." in shown
    assert "LAYER (estimated)" in shown
    assert "CONV_2D" in shown


@pytest.mark.parametrize(
    ("board", "basis", "more", "told"),
    [
        ("mps2-an386", "estimated", (), True),
        ("mps2-an386", "measured", (), False),
        ("mps2-an386-os", "estimated", (), False),  # it reports when it runs
        ("nucleo-f767zi", "estimated", (), False),
        ("mps2-an386", "estimated", ("--json",), False),
    ],
)
def test_a_new_build_says_where_its_estimate_becomes_a_measurement(
    cli: Cli, server: FakeServer, bodies: Bodies, board: str, basis: str, more: tuple[str, ...], told: bool
) -> None:
    done = bodies.build(board=board, performance={**PERFORMANCE, "basis": basis})
    server.on("POST /v1/builds", httpx.Response(202, json=bodies.build("queued", board=board)))
    server.on(f"GET {BUILD}", httpx.Response(200, json=done))
    server.on(f"GET {BUILD}/log", log_of(b""))
    made = cli("builds", "create", "digits-cnn", "--board", board, *more)
    assert made.exit_code == 0, made.output
    assert ("in a moment: `tinymlaas builds show bld_0123456789abcdef`" in made.stderr) is told
    server.on("POST /v1/builds", httpx.Response(200, json=done))
    assert "in a moment" not in cli("builds", "create", "digits-cnn", "--board", board).stderr, "it was there already"


def test_an_estimate_is_asked_for_without_a_version_of_firmware(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    build = bodies.build(performance=PERFORMANCE)
    names = ("model", "version", "model_sha256", "board", "builder_id", "builder_digest", "parameters", "memory")
    estimate = {name: build[name] for name in (*names, "performance", "operators")}
    server.on("POST /v1/builds/estimate", httpx.Response(200, json={**estimate, "seconds": 0.9}))
    result = cli("builds", "estimate", "digits-cnn", "--board", "mps2-an386", "-p", "optimise=size")
    assert result.exit_code == 0, result.output
    assert json.loads(server.requests[0].content) == {
        "model": "digits-cnn",
        "board": "mps2-an386",
        "parameters": {"optimise": "size"},
    }
    assert "34,567 bytes" in result.stdout
    assert "2,345 bytes, 1,024 of them the arena" in result.stdout


def test_what_cannot_fit_ends_with_the_numbers(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    refusal = bodies.problem(422, slug="model_too_large", detail="about 9 bytes are needed; it has 8", remedy="Shrink.")
    server.on("POST /v1/builds/estimate", refusal)
    result = cli("builds", "estimate", "digits-cnn", "--board", "mps2-an386")
    assert result.exit_code != 0
    assert "about 9 bytes are needed; it has 8" in result.stderr


def test_a_failed_build_is_an_end_that_is_not_wanted(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    failure = {"slug": "unsupported_operator", "detail": "No LSTM.", "remedy": "Leave it out."}
    server.on("POST /v1/builds", httpx.Response(202, json=bodies.build("queued")))
    server.on(f"GET {BUILD}", httpx.Response(200, json=bodies.build("failed", error=failure)))
    server.on(f"GET {BUILD}/log", log_of(b""))
    result = cli(*CREATE)
    assert result.exit_code == 1
    assert "Error: No LSTM." in result.stderr
    assert "Remedy: Leave it out." in result.stderr


def test_with_json_only_the_build_is_printed(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("POST /v1/builds", httpx.Response(202, json=bodies.build("queued")))
    server.on(f"GET {BUILD}", httpx.Response(200, json=bodies.build()))
    result = cli(*CREATE, "--json")
    assert json.loads(result.stdout) == bodies.build()
    assert result.stderr == ""


def test_no_wait_returns_with_the_queued_build(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("POST /v1/builds", httpx.Response(202, json=bodies.build("queued")))
    result = cli(*CREATE, "--no-wait", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["state"] == "queued"
    assert len(server.requests) == 1


def test_a_build_from_the_store_is_not_waited_for(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("POST /v1/builds", httpx.Response(200, json=bodies.build()))
    assert cli(*CREATE).exit_code == 0
    assert len(server.requests) == 1


def test_a_server_that_restarts_meanwhile_is_waited_for(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("POST /v1/builds", httpx.Response(202, json=bodies.build("queued")))
    server.on(
        f"GET {BUILD}",
        httpx.ConnectError("refused"),
        httpx.Response(502, text="bad gateway"),
        httpx.Response(200, json=bodies.build()),
    )
    server.on(f"GET {BUILD}/log", log_of(b"ok\n"))
    assert cli(*CREATE).exit_code == 0


def test_a_server_that_stays_away_is_given_up(cli: Cli, server: FakeServer, bodies: Bodies, clock: FakeClock) -> None:
    server.on("POST /v1/builds", httpx.Response(202, json=bodies.build("queued")))
    server.on(f"GET {BUILD}", httpx.ConnectError("refused"))
    assert cli(*CREATE).exit_code == 4
    assert 15 <= clock.now < 16


def test_a_log_is_printed_whole(cli: Cli, server: FakeServer) -> None:
    server.on(f"GET {BUILD}/log", log_of(b"one\ntwo\n"))
    assert cli("builds", "log", "bld_0123456789abcdef").stdout == "one\ntwo\n"


@pytest.mark.parametrize(("state", "code"), [("succeeded", 0), ("failed", 1), ("cancelled", 1)])
def test_following_a_log_ends_as_the_build_does(
    cli: Cli, server: FakeServer, bodies: Bodies, state: str, code: int
) -> None:
    server.on(f"GET {BUILD}", *(httpx.Response(200, json=bodies.build(name)) for name in ("running", state)))
    server.on(f"GET {BUILD}/log", log_of(b"one\n"))
    result = cli("builds", "log", "-f", "bld_0123456789abcdef")
    assert result.exit_code == code
    assert result.stdout == "one\n"


def test_a_cancellation_of_an_ended_build_is_refused(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on(f"POST {BUILD}/cancellation", bodies.problem(409))
    assert cli("builds", "cancel", "bld_0123456789abcdef").exit_code == 3


def test_the_shipped_builder_is_a_process_where_no_engine_answers(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    ready = {"ready": True, "checks": {}, "lwm2m": None, "lwm2m_secure": None, "builder_engine": "local"}
    server.on("GET /readyz", httpx.Response(200, json=ready))
    server.on("POST /v1/builders", httpx.Response(201, json=bodies.builder("local")))
    assert cli("builders", "register", "--shipped").exit_code == 0
    assert json.loads(server.sent("POST /v1/builders")[0].content) == {"image": "local/cortex-m"}


def test_a_named_image_is_registered_as_it_is(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("POST /v1/builders", httpx.Response(201, json=bodies.builder()))
    assert "cortex-m 1.0.0" in cli("builders", "register", "partner/image:1").stdout
    assert json.loads(server.requests[0].content) == {"image": "partner/image:1"}
