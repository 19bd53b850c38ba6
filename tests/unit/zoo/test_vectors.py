"""Golden inputs are the same everywhere, cover the corners, and fit on a microcontroller."""

import hashlib
from dataclasses import replace

import numpy as np

from zoo.cards import load
from zoo.inspect import ModelReport, TensorReport, inspect
from zoo.vectors import MAX_INPUT_BYTES, MAX_OUTPUT_BYTES, MAX_VECTORS, golden_inputs

DIGITS = inspect(load("digits-cnn").model)


def edge(elements: int, dtype: str = "int8", zero_point: int | None = 3) -> TensorReport:
    size = elements * (4 if dtype == "float32" else 1)
    return TensorReport("x", (1, elements), dtype, None if zero_point is None else 0.5, zero_point, size)


def model(*inputs: TensorReport, output: int = 10) -> ModelReport:
    return replace(DIGITS, inputs=inputs, outputs=(edge(output),))


def test_the_bytes_are_pinned() -> None:
    drawn = b"".join(golden_inputs(model(edge(300)), count=8, seed=1)[i][0] for i in range(8))
    expected = "9910a0349eb66e74f4bc89f05715c8e1f2667f094212fb118854c88ea005a425"
    assert hashlib.sha256(drawn).hexdigest() == expected


def test_the_corners_are_among_the_vectors() -> None:
    vectors = golden_inputs(model(edge(64)), count=8, seed=1)
    assert len(set(vectors)) == 8
    walk, zero, low, high, *rest = (np.frombuffer(vector[0], np.int8) for vector in vectors)
    assert set(zero) == {3}
    assert set(low) == {-128}
    assert set(high) == {127}
    assert np.abs(np.diff(walk.astype(int))).max() <= 32
    assert max(np.abs(np.diff(vector.astype(int))).max() for vector in rest) > 128


def test_a_zero_point_at_the_lowest_value_makes_no_vector_twice() -> None:
    vectors = golden_inputs(model(edge(64, zero_point=-128)), count=8, seed=1)
    assert len(set(vectors)) == len(vectors) == 8


def test_unsigned_and_float_inputs_have_their_own_corners() -> None:
    unsigned = [vector[0] for vector in golden_inputs(model(edge(4, "uint8")), count=4, seed=1)]
    assert unsigned[1:] == [b"\x03" * 4, b"\x00" * 4, b"\xff" * 4]
    floats = golden_inputs(model(edge(4, "float32", None)), count=8, seed=1)
    values = [np.frombuffer(vector[0], "<f4").tolist() for vector in floats]
    assert values[1:4] == [[0.0] * 4, [-1.0] * 4, [1.0] * 4]
    assert all(-1 <= value <= 1 for vector in values for value in vector)


def test_every_input_of_a_model_gets_bytes_of_its_own() -> None:
    first, second = golden_inputs(model(edge(64), edge(64)), count=1, seed=1)[0]
    assert first != second


def test_the_seed_changes_what_is_drawn() -> None:
    one, other = (golden_inputs(model(edge(64)), count=1, seed=seed) for seed in (1, 2))
    assert one != other


def test_the_number_of_vectors_is_limited_by_the_bytes_that_a_board_has_to_carry() -> None:
    assert len(golden_inputs(model(edge(64)), count=1000, seed=1)) == MAX_VECTORS
    assert len(golden_inputs(model(edge(64), output=5000), count=8, seed=1)) == MAX_OUTPUT_BYTES // 5000
    assert len(golden_inputs(model(edge(100_000)), count=8, seed=1)) == MAX_INPUT_BYTES // 100_000
    assert len(golden_inputs(model(edge(1_000_000), output=50_000), count=8, seed=1)) == 1
    assert len(golden_inputs(model(edge(64)), count=0, seed=1)) == 1


def test_a_single_vector_is_the_smooth_one_not_a_corner() -> None:
    ((only,),) = golden_inputs(model(edge(64)), count=1, seed=1)
    assert len(set(only)) > 8
