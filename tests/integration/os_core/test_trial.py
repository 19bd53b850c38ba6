"""A new firmware is kept when it proves itself, and given up by itself when it does not: what the device then says."""

import json
from dataclasses import replace

import pytest

from edge.os_board import FIRMWARE_B
from tests.support.os_core import Core, Image, a_model

NEW = Image(counter=3)


def test_a_good_firmware_is_confirmed(core: Core) -> None:
    end = core.deliver(NEW.signed(core.key))
    report = json.loads(end["report"])
    assert end.lines[:2] == ("life 1 ended with reset", "updated")
    assert (end["firmware"], end["result"]) == ("2.0.0+0", "1")
    assert report["verdict"] == "passed"
    assert report["outputs"] == [output.hex() for output in NEW.outputs()]
    assert report["expected_sha256"] == report["received_sha256"]


@pytest.mark.parametrize(
    ("image", "verdict", "reason", "ending"),
    [
        (replace(NEW, behaviour="hang"), "no-report", "the watchdog reset it", "watchdog"),
        (replace(NEW, behaviour="wrong"), "wrong-output", "golden vector 0 differs at byte 1", "reset"),
    ],
)
def test_a_bad_firmware_is_given_up(core: Core, image: Image, verdict: str, reason: str, ending: str) -> None:
    end = core.deliver(image.signed(core.key))
    report = json.loads(end["report"])
    assert end.lines[1] == f"life 2 ended with {ending}"
    assert (end["firmware"], end["state"], end["result"]) == ("1.0.0+0", "0", "8")
    assert (report["verdict"], report["result"], report["version"]) == (verdict, 8, "2.0.0+0")
    assert report["reason"].startswith(reason)


def test_a_board_says_that_its_confirmed_firmware_is_damaged(core: Core) -> None:
    package = Image().signed(core.key)
    flash = bytearray(core.deliver(package).flash)
    flash[FIRMWARE_B + 700] ^= 1
    end = core.deliver(package, onto=bytes(flash))
    report = json.loads(end["report"])
    assert (end.lines[0], end["firmware"], end["result"]) == ("given up", "1.0.0+0", "8")
    assert report["reason"] == "the confirmed firmware is damaged; the firmware before it runs again"
    model = a_model(version="7.1.0+2").signed(core.key)
    later = core.deliver(model, "a", onto=core.deliver(model, "a", onto=end.flash).flash)
    assert json.loads(later["report"])["version"] == "7.1.0+2", "it is said once"


def test_a_firmware_that_does_not_find_its_server_is_given_up(core: Core) -> None:
    end = core.deliver(NEW.signed(core.key), mute=True)
    report = json.loads(end["report"])
    assert (end["firmware"], report["verdict"]) == ("1.0.0+0", "not-confirmed")
    assert "did not register in time" in report["reason"]


def test_a_bad_firmware_is_given_up_also_when_it_cannot_write_why(core: Core) -> None:
    end = core.deliver(replace(NEW, behaviour="wrong").signed(core.key), worn=True)
    report = json.loads(end["report"])
    assert (end.lines[1], end["firmware"], report["verdict"]) == ("life 2 ended with reset", "1.0.0+0", "no-report")
    assert report["reason"].startswith("it restarted before it was confirmed")


def test_a_model_of_a_slot_runs_after_its_activation(core: Core) -> None:
    model = a_model(version="7.1.0+2")
    end = core.deliver(model.signed(core.key), "a")
    assert (end["source"], end["firmware"], end["result"]) == ("a", "1.0.0+0", "2")
    assert json.loads(end["report"])["version"] == "7.1.0+2"


def test_golden_vectors_that_together_outlast_the_watchdog_do_not_reset_the_board(core: Core) -> None:
    model = a_model(behaviour="slow").signed(core.key)
    first = core.deliver(model, "a")
    assert core.deliver(model, "a", onto=first.flash).lines[0] == "updated", "also when it is proven at a start"
    assert core.deliver(replace(NEW, behaviour="slow").signed(core.key)).lines[1] == "updated"


def test_a_model_that_is_activated_again_starts_from_its_first_state(core: Core) -> None:
    model = a_model()
    end = core.deliver(model.signed(core.key), "a")
    assert end["output"] == model.outputs()[0].hex()
