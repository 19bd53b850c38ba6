"""The head of a model is trained as a reference in NumPy does it, and written once a round, whole or not at all."""

import hashlib
import struct
import zlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.integration.os_core import head_reference as reference
from tests.integration.os_core.head_reference import Floats
from tests.support.os_core import FEATURE_SCALE, INPUT_BYTES, OUTPUT_SCALE, Core, Delivery, Image, a_model, flash_with

FEATURES = 60
OUTPUTS = INPUT_BYTES
IDLE, TRAINED, FAILED = 0, 2, 3
TRAINS = Image(version="1.0.0+0", head_features=FEATURES)


def flash_of(core: Core, image: Image = TRAINS) -> bytes:
    return flash_with(image.signed(core.key), core.key)


def features_of(sample: bytes, count: int = FEATURES) -> Floats:
    """What the simulated model makes of an input, as real numbers."""
    values = [(np.int8(np.uint8((sample[at % INPUT_BYTES] + 3 * at) & 0xFF).view(np.int8))) for at in range(count)]
    return np.array(values, np.float32) * np.float32(FEATURE_SCALE)


def samples(count: int, seed: int = 1) -> list[tuple[bytes, int]]:
    random = np.random.default_rng(seed)
    return [(random.bytes(INPUT_BYTES), int(random.integers(OUTPUTS))) for _ in range(count)]


def head(seed: int, features: int = FEATURES) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    kernel = random.normal(0, 0.05, (features, OUTPUTS)).astype(np.float32)
    return kernel, random.normal(0, 0.05, OUTPUTS).astype(np.float32)


def give(folder: Path, round_number: int, weights: tuple[Floats, Floats]) -> str:
    """The line that gives the board this head."""
    file = folder / f"head-{round_number}.bin"
    file.write_bytes(b"".join(array.tobytes() for array in weights))
    return f"round {round_number} {file}"


def teach(chosen: list[tuple[bytes, int]]) -> list[str]:
    return [f"sample {label} {sample.hex()}" for sample, label in chosen]


def update_of(said: Delivery) -> tuple[int, int, bytes, bytes]:
    """Round, samples, base, parameters."""
    number, count, base, parameters = said["update"].split()
    return int(number), int(count), bytes.fromhex(base), bytes.fromhex(parameters)


@pytest.mark.parametrize(("count", "epochs", "rate"), [(1, 1, 0.01), (1, 7, 0.5), (2, 1, 0.01), (37, 3, 0.02)])
def test_every_step_is_that_of_the_reference(core: Core, tmp_path: Path, count: int, epochs: int, rate: float) -> None:
    weights, chosen = head(count), samples(count)
    script = [give(tmp_path, 7, weights), *teach(chosen), f"train 7 {epochs} {round(rate * 1e6)}", "show"]
    said = core.learn(flash_of(core), script)
    real = [(features_of(sample), label) for sample, label in chosen]
    trained = reference.train(*weights, real, round_number=7, epochs=epochs, rate=rate)
    base = hashlib.sha256(weights[0].tobytes() + weights[1].tobytes()).digest()
    assert update_of(said) == (7, count, base, trained.bytes)
    assert bytes.fromhex(said["loss"]) == trained.loss.tobytes()
    assert (said["state"], said["steps"], said["persists"]) == (str(TRAINED), str(count * epochs), "1")


def test_a_round_goes_on_from_the_head_that_the_round_before_it_made(core: Core, tmp_path: Path) -> None:
    weights, chosen = head(1), samples(12)
    real = [(features_of(sample), label) for sample, label in chosen]
    first = core.learn(flash_of(core), [give(tmp_path, 1, weights), *teach(chosen), "train 1 2 30000", "show"])
    trained = reference.train(*weights, real, round_number=1, epochs=2, rate=0.03)
    again = [give(tmp_path, 2, (trained.kernel, trained.bias)), *teach(chosen), "train 2 5 30000", "show"]
    second = core.learn(first.flash, again)
    more = reference.train(trained.kernel, trained.bias, real, round_number=2, epochs=5, rate=0.03)
    assert update_of(second)[3] == more.bytes
    assert more.loss < trained.loss
    assert second["persists"] == "2"
    assert second["found"].startswith("1 ")  # what it had at its start


def test_a_training_that_diverges_fails_with_a_reason_and_leaves_the_round_before(core: Core, tmp_path: Path) -> None:
    weights, chosen = head(2), samples(9)
    good = core.learn(flash_of(core), [give(tmp_path, 1, weights), *teach(chosen), "train 1 1 10000", "show"])
    huge = np.full_like(weights[0], 3e38), weights[1]
    script = [give(tmp_path, 2, huge), *teach(chosen), "train 2 3 10000000", "show", "train 2 1 10000"]
    said = core.learn(good.flash, script)
    assert said["state"] == str(FAILED)
    assert said["error"] == "the loss is no longer a number: train with a smaller learning rate"
    assert update_of(said) == update_of(good)
    assert said["persists"] == "1"
    assert said["refused:"] == "there is no head for this round: write it to /19/0/0/0 first"


def test_losses_whose_sum_is_no_number_any_more_fail_too(core: Core, tmp_path: Path) -> None:
    """Every loss and every parameter is finite; a mean that is not could not be shown as text."""
    bias = np.zeros(OUTPUTS, np.float32)
    bias[0] = 2e38
    certain = np.zeros((FEATURES, OUTPUTS), np.float32), bias
    script = [give(tmp_path, 1, certain), *teach([(sample, 1) for sample, _ in samples(2)]), "train 1 1 1", "show"]
    said = core.learn(flash_of(core), script)
    assert (said["state"], said["persists"]) == (str(FAILED), "0")
    assert said["error"] == "the loss is no longer a number: train with a smaller learning rate"


def test_a_sample_that_comes_while_the_head_is_trained_does_not_count_in_the_update(core: Core, tmp_path: Path) -> None:
    weights, chosen = head(6), samples(5)
    [*first, last] = teach(chosen)
    script = [give(tmp_path, 1, weights), *first, f"at once {last}", "train 1 2 10000", "show"]
    said = core.learn(flash_of(core), script)
    real = [(features_of(sample), label) for sample, label in chosen[:-1]]
    trained = reference.train(*weights, real, round_number=1, epochs=2, rate=0.01)
    number, count, _, parameters = update_of(said)
    assert (number, count, parameters) == (1, 4, trained.bytes)
    assert said["samples"] == "5"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("train 3 1 10000", "there is no head for this round: write it to /19/0/0/0 first"),
        ("train 0 1 10000", "there are no samples: write some to /26243/0/2 first"),
        ("train 0 0 10000", "epochs are 1 to 1000, the learning rate 1 to 10000000 millionths"),
        ("train 0 1001 10000", "epochs are 1 to 1000, the learning rate 1 to 10000000 millionths"),
        ("train 0 1 0", "epochs are 1 to 1000, the learning rate 1 to 10000000 millionths"),
        ("train 0 1 10000001", "epochs are 1 to 1000, the learning rate 1 to 10000000 millionths"),
        (f"sample {OUTPUTS} {'00' * INPUT_BYTES}", "the label is none of the model's outputs"),
        (
            f"sample 0 {'00' * (INPUT_BYTES - 1)}",
            "not a label of two bytes and then the bytes of the model's input tensors",
        ),
        ("use 1", "there is no trained head of this model"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(core: Core, line: str, sentence: str) -> None:
    said = core.learn(flash_of(core), [line, "show"])
    assert said["refused:"] == sentence
    assert (said["state"], said["samples"]) == (str(IDLE), "0")


def test_a_head_of_another_shape_or_with_what_is_no_number_is_refused(core: Core, tmp_path: Path) -> None:
    kernel, bias = head(1)
    kernel[3, 3] = np.nan
    script = [give(tmp_path, 1, head(1, FEATURES - 1)), give(tmp_path, 2, (kernel, bias)), "show"]
    said = core.learn(flash_of(core), script)
    refused = [line for line in said.lines if line.startswith("refused")]
    assert refused == [
        "refused: the head is not [features, outputs] and [outputs]: see 12 and 13 of /26243/0",
        "refused: a parameter of the head is not a finite number",
    ]
    assert said["round"] == "0"


def test_a_model_without_a_head_trains_nothing(core: Core) -> None:
    plain = Image(version="1.0.0+0")
    said = core.learn(flash_of(core, plain), [f"sample 0 {'00' * INPUT_BYTES}", "train 0 1 10000", "show"])
    assert said["refused:"] == "the model has no head that can be trained: build it with trainable_head"
    assert (said["capacity"], said["features"], said["outputs"]) == ("0", "0", "0")


def test_the_samples_end_where_the_memory_does(core: Core) -> None:
    large = Image(version="1.0.0+0", head_features=300)
    capacity = 65536 // 300
    said = core.learn(flash_of(core, large), [*teach(samples(capacity + 1)), "show", "clear", "show"])
    assert said["refused:"] == "there is no room for one more sample: clear them"
    assert [line for line in said.lines if line.startswith("samples")] == [f"samples {capacity}", "samples 0"]


def test_the_head_that_the_model_came_with_is_trained_as_round_0(core: Core) -> None:
    """Its weights are 0 in this image, and its biases count: 0.5 times the features' scale each."""
    chosen = samples(8)
    said = core.learn(flash_of(core), [*teach(chosen), "train 0 2 20000", "show"])
    bias = np.arange(OUTPUTS, dtype=np.float32) * np.float32(0.5 * FEATURE_SCALE)
    own = np.zeros((FEATURES, OUTPUTS), np.float32), bias
    real = [(features_of(sample), label) for sample, label in chosen]
    trained = reference.train(*own, real, round_number=0, epochs=2, rate=0.02)
    assert update_of(said)[2:] == (hashlib.sha256(own[0].tobytes() + bias.tobytes()).digest(), trained.bytes)


def test_the_trained_head_answers_when_it_is_told_to_and_after_a_reset(core: Core, tmp_path: Path) -> None:
    weights, chosen, asked = head(4), samples(16), samples(1, seed=9)[0][0]
    real = [(features_of(sample), label) for sample, label in chosen]
    ask = f"input {asked.hex()}"
    script = [give(tmp_path, 1, weights), *teach(chosen), "count", "show", "train 1 20 50000", ask, "use 1", ask]
    first = core.learn(flash_of(core), [*script, "count", "show"])
    trained = reference.train(*weights, real, round_number=1, epochs=20, rate=0.05)
    found = [reference.logits(trained.kernel, trained.bias, features).argmax() for features, _ in real]
    right = sum(int(label == number) for (_, label), number in zip(chosen, found, strict=True))
    assert [line for line in first.lines if line.startswith("correct")][-1] == f"correct {right}"
    assert right > len(chosen) * 3 // 4

    own, answered = [line for line in first.lines if line.startswith("output ")]
    probabilities = reference.softmax(reference.logits(trained.kernel, trained.bias, features_of(asked)))[0]
    quantised = np.floor(probabilities / np.float32(OUTPUT_SCALE) + np.float32(0.5)) - 128
    expected = f"output {quantised.clip(-128, 127).astype(np.int8).tobytes().hex()}"
    assert answered == expected != own

    after = core.learn(first.flash, [ask, "use 0", ask])  # its golden vectors were right, or it would not run
    again, back = [line for line in after.lines if line.startswith("output ")]
    assert again == expected
    assert back != expected


def test_a_head_that_was_given_and_not_trained_answers_when_it_is_told_to(core: Core, tmp_path: Path) -> None:
    """As the average of a federation that has ended. It is no update, and is there after a reset."""
    weights, asked = head(5), samples(1, seed=9)[0][0]
    ask = f"input {asked.hex()}"
    first = core.learn(flash_of(core), [give(tmp_path, 4, weights), "use 1", ask, "show"])
    probabilities = reference.softmax(reference.logits(*weights, features_of(asked)))[0]
    quantised = np.floor(probabilities / np.float32(OUTPUT_SCALE) + np.float32(0.5)) - 128
    assert first["output"] == quantised.clip(-128, 127).astype(np.int8).tobytes().hex()
    assert (first["state"], first["used"], first["persists"]) == (str(IDLE), "1", "1")
    again = core.learn(first.flash, [ask, "show"])
    assert again["output"] == first["output"]
    assert (again["state"], again["round"], again["found"]) == (str(IDLE), "4", "nothing")


def found_in(lines: Iterable[str]) -> list[str]:
    """The heads that a board has at its start and at its end."""
    return [line.removeprefix("found ") for line in lines if line.startswith("found ")]


def test_power_lost_while_a_head_is_written_leaves_the_old_one_or_the_new_one(core: Core, tmp_path: Path) -> None:
    """The largest head there is: eight sectors. Every cut around the two moments that matter, and others between."""
    features = 332
    image = Image(version="1.0.0+0", head_features=features)
    chosen = teach(samples(2))
    first = core.learn(
        flash_of(core, image), [give(tmp_path, 1, head(1, features)), *chosen, "train 1 1 10000", "show"]
    )
    script = [give(tmp_path, 2, head(2, features)), *chosen, "train 2 1 10000", "use 1"]
    old = f"1 {zlib.crc32(update_of(first)[3]):08x}"
    new = [line for line in core.learn(first.flash, script).lines if line.startswith("found")][-1].removeprefix(
        "found "
    )
    assert new.startswith("2 ")
    lives = core.learn_with_cuts(first.flash, script, step=53)
    assert len(lives) > 30
    found = []
    for life in lives:
        begun, in_between, at_the_end = found_in(life)
        assert (begun, at_the_end) == (old, new)
        assert in_between in {old, new}
        found.append(in_between)
    assert {old, new} == set(found)


def test_a_head_of_another_model_is_not_used_and_its_writing_still_counts(core: Core, tmp_path: Path) -> None:
    flash = core.learn(flash_of(core), [give(tmp_path, 1, head(1)), *teach(samples(2)), "train 1 1 10000"]).flash
    other = bytearray(flash)
    signed = Image(version="1.0.0+1", head_features=FEATURES, model=b"\x11" * 32).signed(core.key)
    other[: len(signed)] = signed
    said = core.learn(bytes(other), ["show"])
    assert said["found"] == "nothing"
    assert (said["state"], said["persists"]) == (str(IDLE), "1")


BROKEN = {
    "more features than a head may have": (0, 8000),
    "one output": (1, 1),
    "outputs that are not the model's": (1, OUTPUTS - 1),
    "a scale of zero": (2, 0),
    "features outside of its memory": (7, 4),
    "weights outside of its slot": (8, 0xFFFFFFF0),
    "scales that are not aligned": (9, 1),
}


@pytest.mark.parametrize("what", list(BROKEN))
def test_a_header_that_lies_about_its_head_is_refused(core: Core, what: str) -> None:
    position, value = BROKEN[what]
    sound = a_model(head_features=FEATURES)
    described = bytearray(sound.head_description())
    struct.pack_into("<I", described, 4 * position, value)
    delivered = core.deliver(replace(sound, broken_head=bytes(described)).signed(core.key), "a")
    assert '"reason": "bad-model-header"' in delivered["report"]
    assert core.deliver(sound.signed(core.key), "a")["source"] == "a"
