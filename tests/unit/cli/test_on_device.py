"""`tinymlaas on-device`: before and after, both versions, and what is told when it does not work."""

import json
from pathlib import Path

import pytest

from tests.support.trainable_digits import HEAD, WHOLE, write
from tests.unit.cli.conftest import Cli, FakeServer


@pytest.fixture
def own(tmp_path: Path) -> str:
    return str(write(tmp_path / "own.npz", slice(1350, 1797), turned=True))


@pytest.fixture
def upright(tmp_path: Path) -> str:
    return str(write(tmp_path / "upright.npz", slice(1350, 1797)))


def test_003_2_adapting_tells_before_and_after_and_asks_no_server(
    cli: Cli, server: FakeServer, tmp_path: Path, own: str
) -> None:
    state = ("--state", str(tmp_path / "state"))
    learning = ("--data", own, *state, "--epochs", "20", "--learning-rate", "0.1")
    result = cli("on-device", "adapt", str(WHOLE), *learning)
    assert result.exit_code == 0, result.output
    lines = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    assert lines["version"].strip() == "adapted 1"
    assert lines["learned from"].strip() == "358 samples, 460 steps, from base on"
    before, after = (float(lines[name].strip().split("%")[0]) for name in ("before", "after"))
    assert (before < 30, after > 80) == (True, True)
    listed = json.loads(cli("on-device", "versions", str(WHOLE), *state, "--json").stdout)
    assert [(item["version"], item["active"]) for item in listed] == [(0, False), (1, True)]
    assert server.requests == []


def test_003_2_both_versions_stand_side_by_side_in_a_table_and_in_a_picture(
    cli: Cli, tmp_path: Path, own: str, upright: str
) -> None:
    state = ("--state", str(tmp_path / "state"))
    cli("on-device", "adapt", str(WHOLE), "--data", own, *state, "--epochs", "20", "--learning-rate", "0.1")
    picture = tmp_path / "forgetting.svg"
    words = ("--data", own, "--base-data", upright, *state)
    shown = cli("on-device", "compare", str(WHOLE), *words, "--picture", str(picture)).stdout.splitlines()
    assert shown[0].split("  ")[0] == "VERSION"
    rows = {line[:10].strip(): [float(word[:-1]) for word in line.split() if word.endswith("%")] for line in shown[1:]}
    assert rows["base"][0] > 85 > 30 > rows["base"][1]  # noqa: PLR0133 - reads as one scale
    assert rows["adapted 1"][1] > 90
    assert rows["adapted 1"][0] < rows["base"][0] - 20
    assert picture.read_text().startswith("<svg")
    assert "adapted 1" in picture.read_text()
    told = json.loads(cli("on-device", "compare", str(WHOLE), *words, "--json").stdout)
    assert told["1"]["this machine's samples"]["accuracy"] == pytest.approx(rows["adapted 1"][1] / 100, abs=0.001)


def test_the_base_can_answer_again(cli: Cli, tmp_path: Path, own: str, upright: str) -> None:
    state = ("--state", str(tmp_path / "state"))
    cli("on-device", "adapt", str(HEAD), "--data", own, *state, "--epochs", "10", "--learning-rate", "0.1")
    evaluate = ("on-device", "evaluate", str(HEAD), "--data", upright, *state, "--json")
    forgotten = json.loads(cli(*evaluate).stdout)
    assert cli("on-device", "use", str(HEAD), "0", *state).stdout == "base is active.\n"
    base = json.loads(cli(*evaluate).stdout)
    assert (forgotten["version"], base["version"]) == (1, 0)
    assert base["accuracy"] > forgotten["accuracy"] + 0.2
    missing = cli("on-device", "use", str(HEAD), "9", *state)
    assert missing.exit_code == 2
    assert "no version 9" in missing.stderr


def test_003_8_a_budget_that_allows_nothing_is_told_and_ends_badly(cli: Cli, tmp_path: Path, own: str) -> None:
    words = ("--data", own, "--state", str(tmp_path / "state"), "--max-memory-mb", "1")
    result = cli("on-device", "adapt", str(WHOLE), *words)
    assert result.exit_code == 1
    assert "1 MB are allowed" in result.stderr
    assert "the same command goes on" in result.stderr
    as_json = cli("on-device", "adapt", str(WHOLE), *words, "--json")
    assert json.loads(as_json.stdout)["report"]["loss"] is None


@pytest.mark.parametrize(
    ("model", "data", "words"),
    [
        ("zoo/catalog/digits-cnn/digits-cnn.tflite", "own", "holds no document that says how"),
        ("tests/support/digits.py", "own", "no TensorFlow Lite model"),
        (str(WHOLE), "none.npz", "No such file"),
        ("none.tflite", "own", "No such file"),
    ],
)
def test_files_that_do_not_fit_are_refused_before_anything_is_written(
    cli: Cli, tmp_path: Path, own: str, model: str, data: str, words: str
) -> None:
    state = tmp_path / "state"
    result = cli(
        "on-device", "adapt", model, "--data", own if data == "own" else str(tmp_path / data), "--state", str(state)
    )
    assert result.exit_code == 2
    assert words in result.stderr
    assert list(state.glob("adapted-*")) == []
