"""Rules that cross capabilities."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.domain.builds import ENDED, BuildKey, BuildState, may_become
from app.domain.fit import shortages

ROOT = Path(__file__).parents[3]
KEY = BuildKey("sha256:a", "b" * 64, "mps2-an386", {"optimize": "speed", "x": 1}, "1.2.3", 1)


@pytest.mark.parametrize(
    "change",
    [
        {"builder_digest": "sha256:c"},
        {"model_sha256": "d" * 64},
        {"board": "mps2-an385"},
        {"parameters": {}},
        {"base_version": "1.2.4"},
        {"security_counter": 2},
    ],
)
def test_whatever_determines_the_artifact_changes_the_key_and_the_version(change: dict[str, object]) -> None:
    other = replace(KEY, **change)
    assert other.sha256() != KEY.sha256()
    assert other.firmware_version() != KEY.firmware_version()


def test_the_order_of_parameters_does_not_change_the_key() -> None:
    assert replace(KEY, parameters={"x": 1, "optimize": "speed"}).sha256() == KEY.sha256()


def test_the_firmware_version_fits_the_image_header() -> None:
    base, _, number = KEY.firmware_version().partition("+")
    assert base == "1.2.3"
    assert 0 <= int(number) < 2**32


@pytest.mark.parametrize("state", list(BuildState))
def test_an_ended_build_stays_as_it_ended(state: BuildState) -> None:
    assert any(may_become(state, new) for new in BuildState) is (state not in ENDED)


def test_a_running_build_may_be_taken_up_again_but_not_queued_again() -> None:
    assert may_become("running", BuildState.RUNNING)
    assert not may_become("running", BuildState.QUEUED)


def test_what_does_not_fit_is_named_with_numbers() -> None:
    assert shortages(flash_needed=10, ram_needed=10, flash=10, ram=10) == []
    found = [str(item) for item in shortages(flash_needed=11, ram_needed=12, flash=10, ram=10)]
    assert found == [
        "needs at least 11 bytes of flash, the board has 10",
        "needs at least 12 bytes of RAM, the board has 10",
    ]


def test_the_builders_sample_is_the_zoos_model() -> None:
    sample = ROOT / "builders/images/cortex-m/samples/mnist.tflite"
    assert sample.read_bytes() == (ROOT / "zoo/catalog/digits-cnn/digits-cnn.tflite").read_bytes()
