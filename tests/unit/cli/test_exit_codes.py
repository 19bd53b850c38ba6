"""What the command tells the shell, and what it says about why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Bodies, Cli, FakeServer, Reply


def test_a_list_that_was_shown_is_done(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("GET /v1/models", bodies.page(bodies.model()))
    result = cli("models", "list")
    assert result.exit_code == 0
    assert "digits-cnn" in result.stdout


def test_a_refusal_says_detail_field_and_remedy_on_standard_error(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("POST /v1/builds", bodies.problem(404, field="body.board"))
    result = cli("builds", "create", "digits-cnn", "--board", "x")
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "No builder builds for a board named x." in result.stderr
    assert "Field: body.board" in result.stderr
    assert "Remedy: Take one of GET /v1/boards." in result.stderr


def test_every_field_at_fault_is_named(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    errors = [{"field": "body.model", "detail": "first"}, {"field": "body.board", "detail": "second"}]
    server.on("POST /v1/builds", bodies.problem(422, field="body.model", errors=errors))
    result = cli("builds", "create", "digits-cnn", "--board", "x")
    assert "Also: body.board: second" in result.stderr


def test_with_json_a_refusal_is_the_problem_on_standard_output(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("GET /v1/models/x", bodies.problem(404))
    result = cli("models", "show", "x", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["slug"] == "board_not_found"
    assert result.stderr == ""


def test_text_that_cannot_be_sent_is_misuse(cli: Cli, tmp_path: Path) -> None:
    samples = tmp_path / "samples.csv"
    samples.write_text("a,label\n1,x\n")
    for words in (("datasets", "add", "d", str(samples), "--label", "\xe9"), ("devices", "show", "urn:\udcff")):
        result = cli(*words)
        assert result.exit_code == 2, result.output
        assert "cannot be sent as" in result.stderr


def test_a_problem_of_the_server_itself_is_not_a_refusal(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("GET /v1/models", bodies.problem(503))
    assert cli("models", "list").exit_code == 4


@pytest.mark.parametrize(
    "reply",
    [
        httpx.ConnectError("connection refused"),
        httpx.ReadTimeout("timed out"),
        httpx.Response(502, text="<html>bad gateway</html>"),
        httpx.Response(200, text="not JSON"),
        httpx.Response(200, json={"items": [{"name": 1}], "next_cursor": None}),
        httpx.Response(200, json=["a list"]),
        httpx.Response(302, headers={"Location": "http://elsewhere/"}),
    ],
)
def test_a_server_that_does_not_answer_as_the_contract_says_is_unreachable(
    cli: Cli, server: FakeServer, reply: Reply
) -> None:
    server.on("GET /v1/models", reply)
    result = cli("models", "list")
    assert result.exit_code == 4
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("models", "show", "digits-cnn@x"),
        ("models", "show", "digits-cnn@0"),
        ("models", "show", ""),
        ("models", "show", ".."),
        ("models", "upload", "new", "no-such-file.tflite"),
        ("models", "predict", "digits-cnn", "--input", "[1,"),
        ("models", "predict", "digits-cnn", "--input", "{}"),
        ("models", "list", "--server", "ftp://example.org"),
        ("models", "list", "--server", "http://"),
        ("models", "list", "--limit", "0"),
        ("builds", "create", "digits-cnn"),
        ("builds", "create", "digits-cnn", "--board", "b", "--parameter", "novalue"),
        ("builders", "register"),
        ("builders", "register", "image", "--shipped"),
        ("nonsense",),
    ],
)
def test_a_command_that_is_not_understood_asks_the_server_nothing(
    cli: Cli, server: FakeServer, arguments: tuple[str, ...]
) -> None:
    result = cli(*arguments)
    assert result.exit_code == 2
    assert server.requests == []


def test_an_interrupted_command_ends_with_130(cli: Cli, server: FakeServer) -> None:
    def interrupt(_request: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    server.on("GET /v1/models", interrupt)
    assert cli("models", "list").exit_code == 130


def test_help_documents_the_exit_codes(cli: Cli) -> None:
    text = " ".join(cli("--help").stdout.split())
    assert "3 refused by the server; 4 server unreachable or failing; 130 interrupted" in text


@pytest.mark.parametrize(
    "arguments", [("--json", "models", "list"), ("models", "--json", "list"), ("models", "list", "--json")]
)
def test_global_options_work_on_either_side_of_the_command(
    cli: Cli, server: FakeServer, bodies: Bodies, arguments: tuple[str, ...]
) -> None:
    server.on("GET /v1/models", bodies.page(bodies.model()))
    assert json.loads(cli(*arguments).stdout)["items"] == [bodies.model()]


@pytest.mark.parametrize("option", [("--server", "http://board.example:81/"), ("--server=http://board.example:81",)])
def test_the_server_is_named_anywhere_in_the_line(
    cli: Cli, server: FakeServer, bodies: Bodies, option: tuple[str, ...]
) -> None:
    server.on("GET /v1/models", bodies.page())
    cli("models", "list", *option)
    assert str(server.requests[0].url).startswith("http://board.example:81/v1/models?")


def test_what_belongs_to_the_edge_agent_is_left_to_it(cli: Cli) -> None:
    result = cli("edge", "run", "--help")
    assert result.exit_code == 0
    assert "--state-dir" in result.stdout


@pytest.mark.parametrize("words", [("edge", "run"), ("simulate",)])
def test_programs_of_their_own_are_introduced_by_the_words_that_started_them(cli: Cli, words: tuple[str, ...]) -> None:
    name = " ".join(("tinymlaas", *words))
    assert cli(*words, "--help").stdout.startswith(f"usage: {name} ")
    refused = cli(*words, "--nonsense")
    assert refused.exit_code == 2
    assert f"{name}: error: " in refused.stderr


def test_a_key_that_is_not_there_is_refused_with_where_the_server_has_it(cli: Cli, tmp_path: Path) -> None:
    result = cli("edge", "run", "--public-key", str(tmp_path / "missing.pem"))
    assert result.exit_code == 2
    assert "missing.pem cannot be used as a PEM public key: No such file or directory. The server" in result.stderr
    assert "DATA_DIR/keys/signing-public.pem: copy that here" in result.stderr
    assert "Errno" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "named"),
    [(("--port", "70000"), {}, "--port"), ((), {"TINYMLAAS_BUILD_WORKERS": "0"}, "build_workers")],
)
def test_a_server_with_a_wrong_setting_does_not_start(
    cli: Cli, arguments: tuple[str, ...], environment: dict[str, str], named: str
) -> None:
    result = cli("serve", *arguments, **environment)
    assert result.exit_code == 2
    assert named in result.stderr


def test_the_environment_names_the_server(cli: Cli, server: FakeServer, bodies: Bodies) -> None:
    server.on("GET /v1/models", bodies.page())
    cli("models", "list", TINYMLAAS_SERVER="http://elsewhere.example")
    assert server.requests[0].url.host == "elsewhere.example"


def test_a_demo_begins_in_an_empty_folder(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    board = tmp_path / "bin"
    board.mkdir()
    (board / "qemu-system-arm").touch(mode=0o755)
    result = cli("demo", "--data-dir", str(tmp_path), PATH=str(board))
    assert result.exit_code == 2
    assert "is not empty" in result.stderr


def test_a_demo_without_a_board_says_what_to_install(cli: Cli, tmp_path: Path) -> None:
    result = cli("demo", PATH=str(tmp_path))
    assert result.exit_code == 1
    assert "qemu-system-arm is not installed" in result.stderr
