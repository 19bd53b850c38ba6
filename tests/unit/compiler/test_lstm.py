"""UNIDIRECTIONAL_SEQUENCE_LSTM computes, bit for bit, what the pinned oracle computes, and keeps its state."""

import ctypes
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import tflite_micro
from compiler.compile import compile_model
from compiler.errors import Code, CompileError
from compiler.operators.lstm import sigmoid_table
from host_model import FLAGS, HostModels, oracle
from tflite_writer import WrittenOperator, WrittenTensor, write_model

CASES = 16
INFERENCES = 4
TANH = 4
HIDDEN, CELL = 18, 19


def lstm(
    seed: int,
    changes: Mapping[int, WrittenTensor | None] | None = None,
    options: Mapping[str, object] | None = None,
) -> tuple[bytes, list[int]]:
    """A random layer with some operands replaced, and the shape of its input."""
    rng = np.random.default_rng(seed)
    batches, steps, depth, units = (int(rng.integers(1, high)) for high in (3, 6, 14, 14))
    time_major = bool(rng.integers(0, 2))
    leading = [steps, batches] if time_major else [batches, steps]

    def scale(low: float, high: float) -> list[float]:
        return [float(np.float32(rng.uniform(low, high)))]

    operands: list[WrittenTensor | None] = [None] * 24
    operands[0] = WrittenTensor([*leading, depth], "int8", scale(0.01, 0.06), [int(rng.integers(-128, 128))], name="x")
    for position in range(1, 9):
        shape = [units, depth if position < 5 else units]
        data = rng.integers(-127, 128, shape).astype(np.int8)
        operands[position] = WrittenTensor(shape, "int8", scale(0.003, 0.02), [0], data=data, name="weights")
    for position in range(12, 16):
        data = rng.integers(-3000, 3000, units).astype(np.int32)
        operands[position] = WrittenTensor([units], "int32", scale(1e-4, 2e-4), [0], data=data)
    hidden = ([float(np.float32(1 / 128 * rng.uniform(0.7, 1.2)))], [int(rng.integers(-40, 40))])
    operands[HIDDEN] = WrittenTensor([batches, units], "int8", *hidden, name="hidden", is_variable=True)
    power = int(rng.integers(-15, -8))
    operands[CELL] = WrittenTensor([batches, units], "int16", [2.0**power], [0], name="cell", is_variable=True)
    for position, tensor in (changes or {}).items():
        operands[position] = tensor
    tensors = [tensor for tensor in operands if tensor is not None]
    numbers = iter(range(len(tensors)))
    listed = [-1 if tensor is None else next(numbers) for tensor in operands]
    target = WrittenTensor([*leading, units], "int8", *hidden, name="y")
    chosen = {
        "FusedActivationFunction": TANH,
        "CellClip": float(rng.choice([0.0, 0.0, 0.3])),
        "TimeMajor": time_major,
    }
    operator = WrittenOperator("UNIDIRECTIONAL_SEQUENCE_LSTM", listed, [len(tensors)], chosen | dict(options or {}))
    return write_model([*tensors, target], [operator], [0], [len(tensors)]), [*leading, depth]


@pytest.mark.parametrize("seed", range(CASES))
def test_a_random_layer_is_exact_over_a_sequence_of_inferences(seed: int, host_models: HostModels) -> None:
    model, shape = lstm(seed)
    rng = np.random.default_rng(seed)
    inputs = [[rng.integers(-128, 128, shape).astype(np.int8)] for _ in range(INFERENCES)]
    expected = oracle(model, inputs)
    for variant, computed in host_models.run(model, inputs).items():
        assert computed == expected, f"the {variant} kernels differ"


def test_the_state_outlives_the_inference_and_a_reset_brings_it_back(host_models: HostModels) -> None:
    model, shape = lstm(3)
    given = [np.random.default_rng(1).integers(-128, 128, shape).astype(np.int8)]
    library, graph = host_models.load(model, "dsp")
    first, second = (host_models.invoke(library, given, graph) for _ in range(2))
    library.model_reset()
    assert first != second
    assert [first, second] == [host_models.invoke(library, given, graph) for _ in range(2)]
    assert [first, second] == oracle(model, [given, given])


ACTIVATIONS = """
#include "tml_lstm.h"
int32_t LOGISTIC(const uint16_t *table, int32_t value) { return tml_sigmoid_16(table, value); }
int32_t TANH(const uint16_t *table, int32_t value) { return tml_tanh_16(table, value, 3, 0); }
"""


@pytest.mark.parametrize("kind", ["LOGISTIC", "TANH"])
@pytest.mark.usefixtures("host_models")
def test_the_activations_of_a_gate_are_exact_on_every_16_bit_number(kind: str, tmp_path: Path) -> None:
    (tmp_path / "gate.c").write_text(ACTIVATIONS)
    subprocess.run(["gcc", *FLAGS, "-shared", "gate.c", "-o", "gate.so"], cwd=tmp_path, check=True)
    function = getattr(ctypes.CDLL(str(tmp_path / "gate.so")), kind)
    table = (ctypes.c_uint16 * 256)(*sigmoid_table())
    numbers = np.arange(-(1 << 15), 1 << 15)

    source = WrittenTensor([1, numbers.size], "int16", [2**-12], [0])
    target = WrittenTensor([1, numbers.size], "int16", [2**-15], [0])
    model = write_model([source, target], [WrittenOperator(kind, [0], [1])], [0], [1])
    interpreter = tflite_micro.runtime.Interpreter.from_bytes(model, arena_size=1 << 20)
    interpreter.set_input(numbers.astype(np.int16).reshape(1, -1), 0)
    interpreter.invoke()

    assert [function(table, int(number)) for number in numbers] == interpreter.get_output(0).ravel().tolist()


PEEPHOLE = WrittenTensor([3], "int16", [0.1], [0], data=np.ones(3, np.int16))
FIXED = WrittenTensor([1, 3], "int8", [0.1], [0], data=np.ones([1, 3], np.int8), name="fixed")
SMALL = WrittenTensor([1], "int8", [0.01], [0], name="small", is_variable=True)
UNEVEN = WrittenTensor([1, 3], "int16", [0.003], [0], name="uneven", is_variable=True)


@pytest.mark.parametrize(
    ("changes", "options", "code", "said", "hint"),
    [
        ({9: PEEPHOLE}, {}, Code.UNSUPPORTED_OPERATOR, "peepholes", "plain LSTM"),
        ({16: FIXED}, {}, Code.UNSUPPORTED_OPERATOR, "a projection", "plain LSTM"),
        ({20: PEEPHOLE}, {}, Code.UNSUPPORTED_OPERATOR, "layer normalisation", "plain LSTM"),
        ({1: None}, {}, Code.UNSUPPORTED_OPERATOR, "a coupled input gate", "plain LSTM"),
        ({}, {"FusedActivationFunction": 1}, Code.UNSUPPORTED_OPERATOR, "activation is number 1", "tanh"),
        ({}, {"CellClip": -1.0}, Code.UNSUPPORTED_OPERATOR, "cell clip -1", "not negative"),
        ({2: FIXED}, {}, Code.BAD_MODEL, 'tensor 2 "fixed" int8[1,3]', "Export"),
        ({HIDDEN: FIXED}, {}, Code.BAD_MODEL, '"fixed" int8[1,3] is no variable', "Export"),
        ({HIDDEN: SMALL}, {}, Code.BAD_MODEL, '"small" int8[1] does not have', "Export"),
        ({CELL: UNEVEN}, {}, Code.BAD_MODEL, '"uneven"', "Export"),
    ],
)
def test_what_is_refused_names_the_operator_the_tensor_and_the_remedy(
    changes: dict[int, WrittenTensor | None], options: dict[str, object], code: Code, said: str, hint: str
) -> None:
    with pytest.raises(CompileError) as caught:
        compile_model(lstm(1, changes, options)[0])
    assert caught.value.code is code
    assert "operator 0 (UNIDIRECTIONAL_SEQUENCE_LSTM)" in caught.value.message
    assert said in caught.value.message
    assert hint in caught.value.hint


def test_a_cell_whose_scale_is_no_power_of_two_is_refused() -> None:
    """The oracle rounds such a scale to a power of two, silently."""
    sizes = np.random.default_rng(1)
    batches, _, _, units = (int(sizes.integers(1, high)) for high in (3, 6, 14, 14))
    cell = WrittenTensor([batches, units], "int16", [0.003], [0], name="cell", is_variable=True)
    with pytest.raises(CompileError, match=r'the scale of tensor \d+ "cell" .* is not a power of two'):
        compile_model(lstm(1, {CELL: cell})[0])
