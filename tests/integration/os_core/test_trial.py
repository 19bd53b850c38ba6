"""A new firmware is kept when it proves itself, and given up by itself when it does not: what the device then says."""

import json
from dataclasses import replace

import pytest

from edge.os_board import FIRMWARE_B
from tests.support.os_core import Core, Image, a_model, flash_with

NEW = Image(counter=3)
ON_TRIAL, FOR_GOOD = 1, 2
BOOT_RECORD, SECTOR = 0xA00000, 4096


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
    end = core.deliver(replace(NEW, behaviour="wrong").signed(core.key), worn=ON_TRIAL)
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


def test_a_board_whose_boot_record_cannot_be_written_goes_on_with_the_firmware_that_it_has(core: Core) -> None:
    """A trial that is not counted would be one for ever."""
    running = Image(version="1.0.0+0").signed(core.key)
    staged = core.stage(flash_with(running, core.key), NEW.signed(core.key))
    end = core.deliver(NEW.signed(core.key), worn=FOR_GOOD, onto=staged)
    report = json.loads(end["report"])
    assert (end["firmware"], end["state"], end["result"]) == ("1.0.0+0", "0", "8")
    assert report["reason"] == "the boot record cannot be written; the firmware before it runs again"
    again = core.deliver(NEW.signed(core.key), worn=FOR_GOOD, onto=end.flash)
    assert again.lines[0] == "given up", "it says once more what came of that, and runs"
    assert again["firmware"] == "1.0.0+0"


def damaged(flash: bytes) -> bytes:
    """Neither copy of the boot record can be read."""
    broken = bytearray(flash)
    for copy in range(2):
        at = BOOT_RECORD + copy * SECTOR
        broken[at : at + 16] = bytes(byte & 0x55 for byte in broken[at : at + 16])
        broken[at] = 0
    return bytes(broken)


def test_a_board_that_cannot_read_its_boot_record_runs_its_newest_firmware_and_takes_nothing_older(core: Core) -> None:
    running = Image(version="1.0.0+0", counter=3)
    flash = damaged(core.deliver(Image(version="2.0.0+0", counter=5).signed(core.key), running=running).flash)
    older = core.deliver(a_model(counter=4).signed(core.key), "a", onto=flash)
    assert older["firmware"] == "2.0.0+0"
    assert json.loads(older["report"])["reason"] == "older-security-counter: the package for a model slot was refused"
    assert core.deliver(a_model(counter=5).signed(core.key), "a", onto=flash)["source"] == "a"


def test_a_board_that_was_never_updated_is_not_one_that_cannot_read_its_boot_record(core: Core) -> None:
    """Both slots hold sound firmware; nothing is in the record, and A was confirmed at manufacture."""
    flash = bytearray(flash_with(Image(version="1.0.0+0").signed(core.key), core.key))
    other = Image(version="9.0.0+0", counter=9).signed(core.key)
    flash[FIRMWARE_B : FIRMWARE_B + len(other)] = other
    end = core.deliver(a_model().signed(core.key), "a", onto=bytes(flash))
    assert (end["firmware"], end["source"]) == ("1.0.0+0", "a")


def test_a_network_that_does_not_start_is_started_again(core: Core) -> None:
    end = core.deliver(a_model().signed(core.key), "a", network_fails=2)
    assert (end.lines[0], end["source"]) == ("updated", "a")


def test_a_firmware_may_take_as_long_to_register_as_the_page_says(core: Core) -> None:
    """So many milliseconds that 32 bits do not hold them, and would be less than a second in 32 bits."""
    flash = flash_with(Image(version="1.0.0+0").signed(core.key), core.key, confirm_s=4_294_968)
    end = core.deliver(NEW.signed(core.key), registers_at=400, onto=flash)
    assert (end["firmware"], end["result"]) == ("2.0.0+0", "1")
