"""`tinymlaas federate client`: what it tells, what it refuses to start with, and how it ends."""

import json
from pathlib import Path

import httpx
import pytest

from tests.support.federation_fake import FEDERATION, TOKEN, FederationFake, problem
from tests.support.trainable_digits import WHOLE, write
from tests.unit.cli.conftest import Cli


@pytest.fixture
def fake() -> FederationFake:
    return FederationFake(WHOLE.read_bytes(), rounds=2)


@pytest.fixture
def words(tmp_path: Path) -> tuple[str, ...]:
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    data = write(tmp_path / "local.npz", slice(0, 160), turned=True)
    options = ("--federation", FEDERATION, "--token-file", str(token), "--data", str(data))
    return ("federate", "client", *options, "--state", str(tmp_path / "state"))


@pytest.fixture
def federated(cli: Cli, fake: FederationFake) -> Cli:
    """The command line, with the fake in place of the server."""
    cli.server = fake.handle  # type: ignore[assignment]  # both answer requests
    return cli


def test_every_round_is_a_line_and_the_end_says_why(federated: Cli, words: tuple[str, ...]) -> None:
    result = federated(*words)
    assert result.exit_code == 0, result.output
    first, second, end = result.stdout.splitlines()
    assert first.startswith("round 1: 50 steps on 160 samples, loss ")
    assert "% right before and " in second
    assert end == "The federation is over. 2 updates were handed over."
    assert "160 samples of " in result.stderr
    assert "stay here; 1810 weights are shared." in result.stderr


def test_as_json_every_round_is_an_object_on_a_line(federated: Cli, words: tuple[str, ...]) -> None:
    told = [
        json.loads(line) for line in federated(*words, "--rounds", "1", "--form", "int8", "--json").stdout.splitlines()
    ]
    assert (told[0]["round"], told[0]["samples"]) == (1, 160)
    assert told[0]["bytes"] < 2_100
    assert told[1] == {"ended": "rounds", "handed_over": 1}


def test_003_7_opting_out_is_a_command_and_so_is_coming_back(
    federated: Cli, fake: FederationFake, words: tuple[str, ...], tmp_path: Path
) -> None:
    state = ("--state", str(tmp_path / "state"))
    federated(*words, "--rounds", "1")
    assert "has opted out" in federated("federate", "opt-out", *state).stdout
    asked = len(fake.came)
    refused = federated(*words)
    assert refused.exit_code == 0
    assert (
        refused.stdout
        == "This device has opted out: nothing is trained for the federation or sent. 0 updates were handed over.\n"
    )
    assert len(fake.came) == asked
    federated("federate", "opt-in", *state)
    assert federated(*words).stdout.endswith("The federation is over. 1 updates were handed over.\n")


def test_a_token_that_others_can_read_is_not_used(
    federated: Cli, fake: FederationFake, words: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "token").chmod(0o644)
    result = federated(*words)
    assert result.exit_code == 2
    assert "can be read by others" in result.stderr
    assert "chmod 600" in result.stderr
    assert fake.came == []


def test_refused_by_the_server_and_not_reached_have_their_exit_codes(
    federated: Cli, fake: FederationFake, words: tuple[str, ...]
) -> None:
    fake.failures.append(problem(401, "token_invalid", "This token belongs to no client of this federation."))
    refused = federated(*words)
    assert refused.exit_code == 3
    assert "belongs to no client" in refused.stderr
    fake.failures += [httpx.ConnectError("nobody listens")] * 50
    silent = federated(*words, "--give-up-seconds", "20")
    assert silent.exit_code == 4
    assert "does not answer" in silent.stderr


def test_a_state_of_another_federation_is_refused(federated: Cli, words: tuple[str, ...]) -> None:
    assert federated(*words, "--rounds", "1").exit_code == 0
    other = ["fed_other" if word == FEDERATION else word for word in words]
    result = federated(*other)
    assert result.exit_code == 2
    assert f"belongs to federation {FEDERATION}, not to fed_other" in result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--server", "ftp://host"), "is not an address of a server"),
        (("--server", "coap://", "--model", str(WHOLE)), "is no server address"),
        (("--psk-identity", "gateway"), "an identity and a key"),
        (("--model", "none.tflite"), "No such file"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    federated: Cli, words: tuple[str, ...], options: tuple[str, ...], said: str
) -> None:
    result = federated(*words, *options)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
