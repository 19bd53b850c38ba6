"""SOTA or FOTA, and why: each row is a device, a build and what is done."""

from dataclasses import replace

import pytest

from app.domain.delivery import (
    Choice,
    Image,
    Method,
    ModelSlot,
    Obstacle,
    Offer,
    Refusal,
    Running,
    Step,
    decide,
    to_built_in,
)

ABI, OTHER_ABI = "ab" * 32, "cd" * 32
FIRMWARE = Image("f" * 64, "firmware", "firmware", 120_000, 4_000_000, ABI)
MODEL_A = Image("a" * 64, "model", "model-a", 38_412, 1_048_576, ABI)
MODEL_B = Image("b" * 64, "model", "model-b", 38_420, 1_048_576, ABI)
OFFER = Offer("mps2-an386-os", "1.0.0+2", 3, (FIRMWARE, MODEL_A, MODEL_B))
EMPTY = (ModelSlot("a"), ModelSlot("b"))
FACTORY = Running("mps2-an386-os", "1.0.0+1", None, 3, ABI, "built-in", EMPTY)
ON_A = replace(FACTORY, model_source="a", slots=(ModelSlot("a", "1.0.0+9", active=True), ModelSlot("b")))
A_AND_B = replace(ON_A, slots=(ModelSlot("a", "1.0.0+9", active=True), ModelSlot("b", "1.0.0+8")))
HOLDS_IT = replace(ON_A, slots=(ModelSlot("a", "1.0.0+9", active=True), ModelSlot("b", "1.0.0+2")))
BUILT_IN_WITH_A = replace(FACTORY, slots=(ModelSlot("a", "1.0.0+9"), ModelSlot("b")))
BARE = Running("mps2-an386", "1.0.0+1", None, 1)
SAME = replace(FACTORY, firmware_version="1.0.0+2")
BARE_OFFER = Offer("mps2-an386", "1.0.0+2", 1, (replace(FIRMWARE, abi=None),))


def _models(*images: Image) -> Offer:
    return replace(OFFER, images=images)


@pytest.mark.parametrize(
    ("running", "offer", "method", "expected"),
    [
        # the ABI agrees and it fits: the model alone, into a slot that does not run
        (FACTORY, OFFER, "auto", ("sota", "install", "model-a", 0)),
        (ON_A, OFFER, "auto", ("sota", "install", "model-b", 1)),
        (A_AND_B, OFFER, "auto", ("sota", "install", "model-b", 1)),
        (BUILT_IN_WITH_A, OFFER, "auto", ("sota", "install", "model-b", 1)),
        (FACTORY, _models(MODEL_B), "auto", ("sota", "install", "model-b", 1)),
        (FACTORY, OFFER, "sota", ("sota", "install", "model-a", 0)),
        # what the device holds is not sent again
        (HOLDS_IT, OFFER, "auto", ("sota", "activate", "model-b", 1)),
        (HOLDS_IT, OFFER, "sota", ("sota", "activate", "model-b", 1)),
        (replace(ON_A, firmware_version="1.0.0+2"), OFFER, "auto", ("sota", "deactivate", "built-in", 0)),
        # the device says that it has the firmware, but never proved it here
        (SAME, OFFER, "auto", ("fota", "install", "firmware", None)),
        (replace(SAME, firmware_sha256="e" * 64), OFFER, "auto", ("fota", "install", "firmware", None)),
        # the whole firmware otherwise
        (FACTORY, OFFER, "fota", ("fota", "install", "firmware", None)),
        (HOLDS_IT, OFFER, "fota", ("fota", "install", "firmware", None)),
        (replace(FACTORY, abi=OTHER_ABI), OFFER, "auto", ("fota", "install", "firmware", None)),
        (replace(HOLDS_IT, abi=OTHER_ABI), OFFER, "auto", ("fota", "install", "firmware", None)),
        (replace(FACTORY, slots=()), OFFER, "auto", ("fota", "install", "firmware", None)),
        (replace(FACTORY, abi=None), OFFER, "auto", ("fota", "install", "firmware", None)),
        (FACTORY, _models(FIRMWARE, replace(MODEL_A, size=1_048_577)), "auto", ("fota", "install", "firmware", None)),
        (FACTORY, _models(FIRMWARE), "auto", ("fota", "install", "firmware", None)),
        (BARE, BARE_OFFER, "auto", ("fota", "install", "firmware", None)),
        (Running(None), BARE_OFFER, "auto", ("fota", "install", "firmware", None)),
    ],
)
def test_what_goes_to_the_device(
    running: Running, offer: Offer, method: str, expected: tuple[str, str, str, int | None]
) -> None:
    choice = decide(running, offer, Method(method))
    assert isinstance(choice, Choice), choice
    assert (choice.method, choice.step, choice.slot, choice.instance) == expected
    assert choice.reason.startswith(f"{choice.method.upper()}: ")
    assert (choice.image is None) == (choice.step is Step.DEACTIVATE)


@pytest.mark.parametrize(
    ("running", "offer", "method", "obstacle", "words"),
    [
        (replace(FACTORY, board="mps2-an500-os"), OFFER, "auto", Obstacle.BOARD, ["mps2-an386-os", "mps2-an500-os"]),
        (replace(SAME, firmware_sha256=FIRMWARE.sha256), OFFER, "auto", Obstacle.RUNNING, ["1.0.0+2"]),
        (replace(ON_A, firmware_version="1.0.0+2"), OFFER, "fota", Obstacle.RUNNING, ["1.0.0+2", "slot a"]),
        (
            replace(ON_A, slots=(ModelSlot("a", "1.0.0+2", active=True), ModelSlot("b"))),
            OFFER,
            "auto",
            Obstacle.RUNNING,
            ["1.0.0+2"],
        ),
        (replace(FACTORY, security_counter=4), OFFER, "auto", Obstacle.COUNTER, ["counter 4", "has 3"]),
        (replace(FACTORY, abi=OTHER_ABI), OFFER, "sota", Obstacle.NO_WAY, ["abababababab", "cdcdcdcdcdcd"]),
        (BARE, BARE_OFFER, "sota", Obstacle.NO_WAY, ["no model images"]),
        (ON_A, _models(MODEL_A), "auto", Obstacle.NO_WAY, ["linked for model-a", "model-b", "no firmware"]),
        (
            FACTORY,
            _models(replace(FIRMWARE, size=4_000_001), replace(MODEL_A, size=1_048_577)),
            "auto",
            Obstacle.NO_WAY,
            ["1,048,577 bytes", "1,048,576", "4,000,001 bytes", "4,000,000"],
        ),
    ],
)
def test_what_cannot_be_is_refused_with_the_numbers(
    running: Running, offer: Offer, method: str, obstacle: Obstacle, words: list[str]
) -> None:
    refusal = decide(running, offer, Method(method))
    assert isinstance(refusal, Refusal), refusal
    assert refusal.obstacle is obstacle
    assert [word for word in words if word not in refusal.detail] == []
    assert refusal.remedy


def test_firmware_instead_of_a_model_says_why_the_model_alone_would_not_do() -> None:
    choice = decide(replace(FACTORY, abi=OTHER_ABI), OFFER)
    assert isinstance(choice, Choice)
    assert choice.reason == (
        "FOTA: the whole firmware, 120,000 bytes, goes into a slot of 4,000,000. "
        "No SOTA: the model's ABI is abababababab, the firmware's cdcdcdcdcdcd."
    )


def test_the_model_alone_says_where_it_goes_and_what_runs_meanwhile() -> None:
    choice = decide(ON_A, OFFER)
    assert isinstance(choice, Choice)
    assert choice.reason == (
        "SOTA: the model alone, 38,420 bytes, goes into slot b of 1,048,576 while the model of slot a runs; "
        "its ABI abababababab is the firmware's."
    )


def test_back_to_the_firmwares_own_model_sends_nothing() -> None:
    choice = to_built_in(A_AND_B)
    assert isinstance(choice, Choice)
    assert (choice.step, choice.instance, choice.image) == (Step.DEACTIVATE, 0, None)


@pytest.mark.parametrize(
    ("running", "obstacle"), [(FACTORY, Obstacle.RUNNING), (BUILT_IN_WITH_A, Obstacle.RUNNING), (BARE, Obstacle.NO_WAY)]
)
def test_a_device_that_runs_its_own_model_is_not_told_to_go_back_to_it(running: Running, obstacle: Obstacle) -> None:
    refusal = to_built_in(running)
    assert isinstance(refusal, Refusal)
    assert refusal.obstacle is obstacle
