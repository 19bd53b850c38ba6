"""A model that remembers is given nothing but what was submitted to it, from its first state on."""

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
