"""Models that were exported without a batch size find out their shapes as they run: that is computed when compiling."""

from collections.abc import Sequence

import numpy as np
import pytest
from compiler.compile import compile_model
from compiler.errors import Code, CompileError
from compiler.fold import fold
from compiler.graph import Tensor
from compiler.parse import parse
from host_model import HostModels, oracle
from tflite_writer import WrittenOperator, WrittenTensor, write_model

X = WrittenTensor([1, 4, 6], "int8", [0.1], [3])
RESHAPED = WrittenTensor([1, 24], "int8", [0.1], [3])


def numbers(*values: int) -> WrittenTensor:
    """A constant vector."""
    return WrittenTensor([len(values)], "int32", data=np.array(values, np.int32))


def number(value: int) -> WrittenTensor:
    return WrittenTensor([], "int32", data=np.array(value, np.int32))


def computed(*shape: int) -> WrittenTensor:
    return WrittenTensor(list(shape), "int32")


BATCH = [
    WrittenOperator("SHAPE", [0], [1]),
    WrittenOperator("STRIDED_SLICE", [1, 2, 3, 3], [4], {"ShrinkAxisMask": 1}),
]
"""The batch of tensor 0 as tensor 4."""
BATCH_TENSORS = [X, computed(3), numbers(0), numbers(1), computed()]


def test_a_reshape_that_keeps_a_free_batch_costs_nothing_and_is_exact(host_models: HostModels) -> None:
    """As Keras' Reshape and Flatten leave it."""
    operators = [
        *BATCH,
        WrittenOperator("PACK", [4, 5], [6], {"ValuesCount": 2}),
        WrittenOperator("RESHAPE", [0, 6], [7]),
        WrittenOperator("LOGISTIC", [7], [8]),
    ]
    last = WrittenTensor([1, 24], "int8", [1 / 256], [-128])
    model = write_model([*BATCH_TENSORS, number(24), computed(2), RESHAPED, last], operators, [0], [8])
    compiled = compile_model(model)
    assert [node.kind for node in compiled.graph.nodes] == ["RESHAPE", "LOGISTIC"]
    assert [layer.kernel for layer in compiled.layers] == [None, "tml_lookup"]
    inputs = [[np.random.default_rng(seed).integers(-128, 128, X.shape).astype(np.int8)] for seed in range(3)]
    expected = oracle(model, inputs)
    for found in host_models.run(model, inputs).values():
        assert found == expected


def test_what_an_operator_needs_as_a_constant_may_be_shape_arithmetic(host_models: HostModels) -> None:
    """The output shape of a transposed convolution, of the input's batch and height."""
    source = WrittenTensor([1, 3, 2, 2], "int8", [0.1], [3])
    filters = WrittenTensor([4, 2, 2, 2], "int8", [0.02], [0], data=np.arange(-16, 16, dtype=np.int8))
    target = WrittenTensor([1, 6, 4, 4], "int8", [0.05], [-3])
    operators = [
        WrittenOperator("SHAPE", [0], [1]),
        WrittenOperator("STRIDED_SLICE", [1, 2, 3, 4], [5]),
        WrittenOperator("MUL", [5, 6], [7]),
        WrittenOperator("CONCATENATION", [7, 8], [9]),
        WrittenOperator("TRANSPOSE_CONV", [9, 10, 0], [11], {"Padding": 0, "StrideW": 2, "StrideH": 2}),
    ]
    tensors = [
        *(source, computed(4), numbers(0), numbers(3), numbers(1), computed(3), numbers(1, 2, 2), computed(3)),
        *(numbers(4), computed(4), filters, target),
    ]
    model = write_model(tensors, operators, [0], [11])
    assert [node.kind for node in compile_model(model).graph.nodes] == ["TRANSPOSE_CONV"]
    inputs = [[np.random.default_rng(seed).integers(-128, 128, source.shape).astype(np.int8)] for seed in range(3)]
    for found in host_models.run(model, inputs).values():
        assert found == oracle(model, inputs)


@pytest.mark.parametrize(
    ("kind", "operands", "expected", "options"),
    [
        ("SHAPE", [X], [1, 4, 6], {}),
        ("STRIDED_SLICE", [numbers(5, 6, 7, 8), numbers(3), numbers(0), numbers(-2)], [8, 6], {}),
        ("STRIDED_SLICE", [numbers(5, 6, 7), numbers(-1), numbers(9), numbers(1)], [7], {}),
        ("PACK", [number(3), number(-1)], [3, -1], {"ValuesCount": 2}),
        ("CONCATENATION", [numbers(3), numbers(4, 5)], [3, 4, 5], {}),
        ("RESHAPE", [number(7), numbers(1)], [7], {}),
        ("EXPAND_DIMS", [number(7), number(0)], [7], {}),
        ("SQUEEZE", [numbers(7)], [7], {}),
        ("GATHER", [numbers(5, 6, 7), numbers(2, 0)], [7, 5], {}),
        ("REDUCE_PROD", [numbers(5, 6, 7), numbers(0)], [210], {}),
        ("ADD", [numbers(1, 2), number(40)], [41, 42], {}),
        ("SUB", [number(40), numbers(1, 2)], [39, 38], {}),
        ("MUL", [numbers(-3, 2), numbers(5, 6)], [-15, 12], {}),
    ],
)
def test_each_rule_computes_its_numbers(
    kind: str, operands: Sequence[WrittenTensor], expected: list[int], options: dict[str, int]
) -> None:
    found = folded(kind, operands, [len(expected)], options)
    assert found is not None
    assert found.data is not None
    assert np.frombuffer(found.data, np.int32).tolist() == expected


@pytest.mark.parametrize(
    ("kind", "operands", "shape"),
    [
        ("SHAPE", [WrittenTensor([-1, 4], "int8", [0.1], [3])], [2]),
        ("STRIDED_SLICE", [computed(3), numbers(0), numbers(1), numbers(1)], [1]),
        ("ADD", [computed(2), numbers(1, 2)], [2]),
        ("ADD", [numbers(1, 2), numbers(1, 2, 3)], [2]),
        ("MUL", [numbers(1 << 30), number(4)], [1]),
        ("GATHER", [numbers(5, 6), numbers(2)], [1]),
        ("GATHER", [numbers(5, 6)], [1]),
        ("CONCATENATION", [numbers(1), numbers(2)], [3]),
        ("PACK", [number(1), number(2)], [1, 2]),
        ("REDUCE_PROD", [numbers(*range(65)), numbers(0)], [1]),
    ],
)
def test_what_cannot_be_known_or_does_not_fit_is_left_and_refused(
    kind: str, operands: Sequence[WrittenTensor], shape: list[int]
) -> None:
    options = {"ValuesCount": len(operands)} if kind == "PACK" else {}
    assert folded(kind, operands, shape, options) is None
    with pytest.raises(CompileError) as caught:
        compile_model(of_one(kind, operands, shape, options))
    assert caught.value.code in (Code.BAD_MODEL, Code.UNSUPPORTED_OPERATOR, Code.UNSUPPORTED_TYPE)


def of_one(kind: str, operands: Sequence[WrittenTensor], shape: list[int], options: dict[str, int]) -> bytes:
    tensors = [*operands, computed(*shape)]
    inputs = [index for index, tensor in enumerate(operands) if tensor.data is None]
    operator = WrittenOperator(kind, list(range(len(operands))), [len(operands)], options)
    return write_model(tensors, [operator], inputs, [len(operands)])


def folded(kind: str, operands: Sequence[WrittenTensor], shape: list[int], options: dict[str, int]) -> Tensor | None:
    """The output of one operator as a constant, as an operator behind it reads it; None where it stays."""
    model = write_model(
        [*operands, computed(*shape), X, X],
        [
            WrittenOperator(kind, list(range(len(operands))), [len(operands)], options),
            WrittenOperator("RESHAPE", [len(operands) + 1, len(operands)], [len(operands) + 2]),
        ],
        [len(operands) + 1],
        [len(operands) + 2],
    )
    *others, reading = fold(parse(model)).nodes
    return None if others else reading.input(1)
