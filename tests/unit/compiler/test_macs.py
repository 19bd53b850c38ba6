"""Multiplications: the builder counts those that the server's inspection counts."""

from pathlib import Path

import pytest
from compiler.macs import macs
from compiler.parse import parse
from random_chains import KINDS, random_chain
from tflite_writer import WrittenOperator, WrittenTensor, write_model

from zoo.inspect import inspect

ROOT = Path(__file__).parents[3]
MODELS = [
    *sorted((ROOT / "zoo" / "catalog").glob("*/*.tflite")),
    *sorted(Path(__file__).parent.glob("models/*.tflite")),
]


@pytest.mark.parametrize("file", MODELS, ids=lambda file: str(file.stem))
def test_the_multiplications_of_every_layer_are_those_of_the_inspection(file: Path) -> None:
    model = file.read_bytes()
    found = {node.index: macs(node) for node in parse(model).nodes}
    expected = {operator.index: operator.macs for operator in inspect(model).operators}
    assert found == {index: expected[index] for index in found}
    assert sum(found.values()) > 0


def test_so_are_those_of_networks_of_all_operators() -> None:
    kinds = set()
    for seed in range(12):
        model = random_chain(seed, KINDS)[0]
        nodes, operators = parse(model).nodes, inspect(model).operators
        kinds |= {node.kind for node in nodes if macs(node)}
        assert [macs(node) for node in nodes] == [operator.macs for operator in operators]
    assert {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"} <= kinds


@pytest.mark.parametrize("transposed", range(4))
def test_a_product_of_matrices_has_the_same_number_however_they_are_stored(transposed: int) -> None:
    shapes = (([2, 5, 3], [2, 3, 5])[transposed & 1], ([1, 3, 7], [1, 7, 3])[transposed >> 1], [2, 5, 7])
    tensors = [WrittenTensor(shape, "int8", [0.1], [0]) for shape in shapes]
    options = {"AdjX": transposed & 1, "AdjY": transposed >> 1}
    model = write_model(tensors, [WrittenOperator("BATCH_MATMUL", [0, 1], [2], options)], [0, 1], [2])
    (node,), (operator,) = parse(model).nodes, inspect(model).operators
    assert macs(node) == operator.macs == 2 * 5 * 3 * 7
