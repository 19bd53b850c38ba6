"""What is not signed for this board, slot and ABI is refused, with number and word, and the board goes on."""

import struct
from collections.abc import Callable
from dataclasses import replace

import pytest

from edge.os_board import FIRMWARE_A
from tests.support.os_core import Core, Image, a_model, flash_with, make_key

HEADER = 0x200
FIRMWARE, MODEL = Image(), a_model()


def flipped(package: bytes, at: int) -> bytes:
    damaged = bytearray(package)
    damaged[at] ^= 0x10
    return bytes(damaged)


def without_signature(package: bytes) -> bytes:
    """The unprotected TLVs hold the hash alone."""
    payload, protected = struct.unpack_from("<I", package, 12)[0], struct.unpack_from("<H", package, 10)[0]
    at = HEADER + payload + protected
    assert struct.unpack_from("<HH", package, at + 4) == (0x10, 32)
    return package[:at] + struct.pack("<HH", 0x6907, 4 + 36) + package[at + 4 : at + 40]


Attack = Callable[[Core, Image], bytes]
ATTACKS: dict[str, tuple[Attack, tuple[int, int], str]] = {
    "unsigned": (lambda core, image: without_signature(image.signed(core.key)), (5, 53), "unsigned"),
    "wrong key": (lambda _core, image: image.signed(make_key(2)), (5, 53), "wrong-key"),
    "bit in the version": (lambda core, image: flipped(image.signed(core.key), 21), (5, 53), "wrong-hash"),
    "bit in the magic": (lambda core, image: flipped(image.signed(core.key), 0), (6, 54), "wrong-magic"),
    "bit in the payload": (lambda core, image: flipped(image.signed(core.key), HEADER + 700), (5, 53), "wrong-hash"),
    "bit in the signature": (lambda core, image: flipped(image.signed(core.key), -9), (5, 53), "wrong-signature"),
    "other board": (lambda core, image: replace(image, board="mps2-an505").signed(core.key), (6, 54), "wrong-board"),
    "truncated": (lambda core, image: image.signed(core.key)[:-40], (5, 53), "truncated"),
    "half of it": (lambda core, image: image.signed(core.key)[:1500], (5, 53), "truncated"),
    "ten bytes": (lambda core, image: image.signed(core.key)[:10], (5, 53), "truncated"),
    "one byte": (lambda _core, _image: b"\0", (5, 53), "truncated"),
    "noise": (lambda _core, _image: bytes(range(256)) * 20, (6, 54), "wrong-magic"),
    "length beyond the slot": (
        lambda core, image: image.signed(core.key)[:12] + b"\xff\xff\xff\x7f" + image.signed(core.key)[16:],
        (2, 50),
        "too-large",
    ),
}


@pytest.mark.parametrize("target", ["firmware", "a"])
@pytest.mark.parametrize("attack", list(ATTACKS))
def test_a_bad_package_is_refused_and_the_board_goes_on(core: Core, attack: str, target: str) -> None:
    make, results, word = ATTACKS[attack]
    image = FIRMWARE if target == "firmware" else MODEL
    end = core.deliver(make(core, image), target)
    assert (end["state"], end["result"]) == ("0", str(results[target != "firmware"]))
    assert f'"reason": "{word}: ' in end["report"]
    assert (end["firmware"], end["source"], end["inferences"]) == ("1.0.0+0", "built-in", "go on")


def test_a_package_larger_than_the_slot_is_refused_at_once(core: Core) -> None:
    end = core.deliver(bytes(0x100001), "a")
    assert end.lines[0] == "refused at the beginning"
    assert end["result"] == "50"


def test_an_older_security_counter_is_refused(core: Core) -> None:
    end = core.deliver(
        replace(FIRMWARE, counter=1).signed(core.key), running=replace(FIRMWARE, version="1.0.0+0", counter=2)
    )
    assert end["result"] == "8"
    assert '"reason": "older-security-counter: ' in end["report"]


def test_a_board_that_never_confirmed_a_firmware_starts_none_that_is_older_than_its_own(core: Core) -> None:
    before = flash_with(replace(FIRMWARE, version="1.0.0+0").signed(core.key), core.key)
    pending = bytearray(core.stage(before, FIRMWARE.signed(core.key)))
    newer = replace(FIRMWARE, version="1.1.0+0", counter=FIRMWARE.counter + 1).signed(core.key)
    pending[FIRMWARE_A : FIRMWARE_A + len(newer)] = newer
    end = core.deliver(FIRMWARE.signed(core.key), onto=bytes(pending))
    assert (end.lines[0], end["firmware"], end["result"]) == ("given up", "1.1.0+0", "8")
    assert "counter was wrong when it was to be started" in end["report"]


@pytest.mark.parametrize(
    ("image", "word"),
    [
        (replace(MODEL, abi=bytes(32)), "wrong-abi"),
        (replace(MODEL, signed_slot="model-b"), "wrong-slot"),
    ],
)
def test_a_model_for_another_abi_or_slot_is_refused(core: Core, image: Image, word: str) -> None:
    end = core.deliver(image.signed(core.key), "a")
    assert (end["state"], end["result"]) == ("0", "54")
    assert f'"reason": "{word}: ' in end["report"]


def test_a_model_is_no_firmware_and_a_firmware_no_model(core: Core) -> None:
    assert '"wrong-kind: ' in core.deliver(MODEL.signed(core.key), "firmware")["report"]
    assert '"wrong-kind: ' in core.deliver(FIRMWARE.signed(core.key), "a")["report"]


def test_a_model_whose_header_points_out_of_its_slot_is_refused_at_its_installation(core: Core) -> None:
    payload = bytearray(MODEL.payload())
    struct.pack_into("<I", payload, 72, 0x20000000)  # the table of inputs: in the OS's own RAM
    end = core.deliver(replace(MODEL, raw=bytes(payload)).signed(core.key), "a")
    assert (end["state"], end["result"], end["source"]) == ("0", "54", "built-in")
    assert "bad-model-header" in end["report"]


def test_a_model_with_one_wrong_byte_is_not_installed(core: Core) -> None:
    end = core.deliver(replace(MODEL, behaviour="wrong").signed(core.key), "a")
    assert (end["state"], end["result"], end["source"]) == ("0", "58", "built-in")
    assert '"verdict": "wrong-output"' in end["report"]
    assert '"vector": 0, "byte": 1' in end["report"]
