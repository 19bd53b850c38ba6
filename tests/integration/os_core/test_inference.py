"""Inference in the interrupt, and what the loop sees of it."""

from tests.support.os_core import FIRST_STATE, INPUT_BYTES, Core, Image, flash_with


def test_golden_inputs_do_not_come_between_submitted_ones(core: Core) -> None:
    image = Image(version="1.0.0+0")
    chosen = [bytes([value] * INPUT_BYTES) for value in (1, 2, 3)]
    said = core.learn(flash_with(image.signed(core.key), core.key), [f"input {each.hex()}" for each in chosen])
    outputs = [line.removeprefix("output ") for line in said.lines if line.startswith("output ")]
    # The simulated state counts inferences.
    expected = [
        bytes(value ^ image.model[0] ^ FIRST_STATE + number for value in each) for number, each in enumerate(chosen)
    ]
    assert outputs == [each.hex() for each in expected]


def test_a_result_that_is_read_while_the_next_one_is_computed_is_one_of_them(core: Core) -> None:
    """The inference is a signal here, which comes between any two instructions of the reader."""
    image = Image(version="1.0.0+0")
    said = core.learn(flash_with(image.signed(core.key), core.key), ["interrupted 3000"])
    assert (said["reads"], said["torn"]) == ("many", "0")
