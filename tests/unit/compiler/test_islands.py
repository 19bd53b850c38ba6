"""What the converter left in float32 between DEQUANTIZE and QUANTIZE is computed as int8, byte for byte."""

from collections.abc import Sequence
from math import expm1

import numpy as np
import pytest
from compiler.compile import compile_model
from compiler.errors import Code, CompileError
from compiler.fixed_point import single
from host_model import HostModels, oracle
from tflite_writer import WrittenOperator, WrittenTensor, write_model

EVERY = np.arange(-128, 128, dtype=np.int8).reshape(1, 256)
FLOAT = WrittenTensor([1, 256], "float32")


def stored(scale: float, zero_point: int, *shape: int) -> WrittenTensor:
    return WrittenTensor(shape or [1, 256], "int8", [float(np.float32(scale))], [zero_point])


def island(kind: str, source: WrittenTensor, target: WrittenTensor) -> bytes:
    operators = [
        WrittenOperator("DEQUANTIZE", [0], [1]),
        WrittenOperator(kind, [1], [2]),
        WrittenOperator("QUANTIZE", [2], [3]),
    ]
    return write_model([source, FLOAT, FLOAT, target], operators, [0], [3])


def assert_exact(host: HostModels, model: bytes, inputs: Sequence[Sequence[np.ndarray]]) -> None:
    expected = oracle(model, inputs)
    for found in host.run(model, inputs).values():
        assert found == expected


@pytest.mark.parametrize("kind", ["NEG", "ABS", "SQUARE", "ELU"])
@pytest.mark.parametrize(("scale", "zero_point"), [(0.05, -3), (0.11, 127), (0.007, -128)])
def test_a_float_operator_between_two_quantisations_is_one_look_at_a_table(
    kind: str, scale: float, zero_point: int, host_models: HostModels
) -> None:
    spread = {"SQUARE": 128 * scale, "ELU": 0.7}.get(kind, 1.1)
    model = island(kind, stored(scale, zero_point), stored(scale * spread, 5))
    compiled = compile_model(model)
    assert [(node.kind, layer.kernel) for node, layer in zip(compiled.graph.nodes, compiled.layers, strict=True)] == [
        (kind, "tml_lookup")
    ]
    assert_exact(host_models, model, [[EVERY]])


def test_parts_of_a_dequantised_tensor_that_are_quantised_again_are_parts_of_int8(host_models: HostModels) -> None:
    """As a recurrent layer with a state of zeros leaves it; each part with a quantisation of its own."""
    operators = [
        WrittenOperator("DEQUANTIZE", [0], [1]),
        WrittenOperator("SPLIT", [2, 1], [3, 4], {"NumSplits": 2}),
        WrittenOperator("QUANTIZE", [3], [5]),
        WrittenOperator("QUANTIZE", [4], [6]),
        WrittenOperator("QUANTIZE", [4], [7]),
    ]
    half = WrittenTensor([1, 128], "float32")
    axis = WrittenTensor([], "int32", data=np.array(1, np.int32))
    targets = [stored(0.03, 9, 1, 128), stored(0.2, -100, 1, 128), stored(0.05, 3, 1, 128)]
    model = write_model([stored(0.05, 3), FLOAT, axis, half, half, *targets], operators, [0], [5, 6, 7])
    kinds = [node.kind for node in compile_model(model).graph.nodes]
    assert kinds == ["SPLIT", "QUANTIZE", "QUANTIZE", "QUANTIZE"]
    assert_exact(host_models, model, [[EVERY]])


def test_a_float_tensor_that_something_else_reads_too_stays(host_models: HostModels) -> None:
    operators = [
        WrittenOperator("DEQUANTIZE", [0], [1]),
        WrittenOperator("NEG", [1], [2]),
        WrittenOperator("QUANTIZE", [2], [3]),
    ]
    model = write_model([stored(0.05, 3), FLOAT, FLOAT, stored(0.05, -3)], operators, [0], [1, 3])
    assert [node.kind for node in compile_model(model).graph.nodes] == ["DEQUANTIZE", "NEG"]
    assert_exact(host_models, model, [[EVERY]])


def test_a_float_operator_without_a_quantisation_behind_it_is_refused() -> None:
    operators = [WrittenOperator("DEQUANTIZE", [0], [1]), WrittenOperator("NEG", [1], [2])]
    with pytest.raises(CompileError, match=r"operator 1 \(NEG\): tensor 1 .* is not int8"):
        compile_model(write_model([stored(0.05, 3), FLOAT, FLOAT], operators, [0], [2]))


def test_an_exponential_that_machines_may_round_differently_is_refused() -> None:
    """The output's scale puts the value of one input between two outputs."""
    value = single(expm1(single(single(0.05) * -7)))
    scale = next(
        candidate
        for candidate in (float(np.float32(-value / (step + 0.5))) for step in range(3, 200))
        if single(-value / candidate) % 1 == 0.5
    )
    with pytest.raises(CompileError, match=r"operator 1 \(ELU\): for the input -7 ") as caught:
        compile_model(island("ELU", stored(0.05, 0), stored(scale, 0)))
    assert caught.value.code is Code.UNSUPPORTED_OPERATOR
