"""Operators that combine or move tensors compute what the oracle computes: random shapes, ranks, axes and options."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from compiler.compile import compile_model
from host_model import FLAGS, IMAGE, HostModels, oracle
from random_operators import RANDOM, RandomGraph, binary, random_operators
from tflite_writer import WrittenOperator, WrittenTensor, write_model

SEEDS = range(3)
OPERATORS = 6  # in one model


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", list(RANDOM))
def test_random_operators_are_exact(kind: str, seed: int, host_models: HostModels) -> None:
    model, shapes = random_operators(kind, seed, OPERATORS)
    rng = np.random.default_rng(seed)
    inputs = [[rng.integers(-128, 128, shape).astype(np.int8) for shape in shapes] for _ in range(2)]
    expected = oracle(model, inputs)
    for variant, computed in host_models.run(model, inputs).items():
        for position, (want, got) in enumerate(zip(expected[0] + expected[1], computed[0] + computed[1], strict=True)):
            assert got == want, f"output {position} of the {variant} kernels differs"


def test_tensors_that_lie_side_by_side_are_computed_in_place_and_not_copied() -> None:
    """Two branches, joined along their first dimension and split again: one tensor holds all of it."""
    like = WrittenTensor([1, 8, 4], "int8", [0.1], [3])
    half, fourth = replace(like, shape=[1, 4, 4]), replace(like, shape=[1, 2, 4])
    constants = [WrittenTensor([], "int32", data=np.array(1, np.int32))]
    operators = [
        WrittenOperator("MAXIMUM", [0, 1], [2]),
        WrittenOperator("MINIMUM", [0, 1], [3]),
        WrittenOperator("CONCATENATION", [2, 3], [4], {"Axis": 1}),
        WrittenOperator("SPLIT", [9, 4], [5, 6, 7, 8], {"NumSplits": 4}),
    ]
    tensors = [half, half, half, half, like, fourth, fourth, fourth, fourth, *constants]
    compiled = compile_model(write_model(tensors, operators, [0, 1], [5, 6, 7, 8]))
    places = compiled.plan.tensors
    assert [places[index] - places[4] for index in (2, 3, 5, 6, 7, 8)] == [0, 16, 0, 8, 16, 24]
    assert compiled.plan.arena_bytes == 4 * 16
    assert "to tensor 5" in compiled.sources["model.c"]


def test_a_value_that_was_computed_pads_although_the_output_is_put_over_what_is_padded(host_models: HostModels) -> None:
    graph = RandomGraph(np.random.default_rng(2))
    graph.inputs = [graph.tensor([1, 12])]
    graph.inputs.append(graph.tensor([1, 1], graph.tensors[graph.inputs[0]]))
    large = binary(graph, "MAXIMUM", graph.inputs[0], graph.inputs[1])
    value = binary(graph, "MINIMUM", graph.inputs[1], graph.inputs[1])
    padded = graph.add("PADV2", [large, graph.numbers([[0, 0], [1, 3]]), value], [[1, 16]], large)
    graph.outputs = [binary(graph, "MAXIMUM", padded, graph.inputs[1])]
    model = graph.write()
    rng = np.random.default_rng(2)
    inputs = [[rng.integers(-128, 128, shape).astype(np.int8) for shape in ([1, 12], [1, 1])] for _ in range(3)]
    assert "tml_pad_computed(" in compile_model(model).sources["model.c"]
    expected = oracle(model, inputs)
    for computed in host_models.run(model, inputs).values():
        assert computed == expected


def test_a_tensor_in_two_places_of_a_join_is_copied_once(host_models: HostModels) -> None:
    like = WrittenTensor([1, 5], "int8", [0.1], [3])
    operators = [
        WrittenOperator("MAXIMUM", [0, 1], [2]),
        WrittenOperator("CONCATENATION", [2, 0, 2], [3], {"Axis": 1}),
        WrittenOperator("MINIMUM", [2, 1], [4]),
    ]
    model = write_model([like, like, like, replace(like, shape=[1, 15]), like], operators, [0, 1], [3, 4])
    inputs = [[np.arange(5, dtype=np.int8).reshape(1, 5), np.full([1, 5], 2, np.int8)]]
    for computed in host_models.run(model, inputs).values():
        assert computed == oracle(model, inputs)


def test_a_join_that_would_hold_a_large_tensor_from_early_on_copies_its_parts() -> None:
    """The first part is there long before the second, and a large tensor in between."""
    like = WrittenTensor([1, 64], "int8", [0.1], [3])
    wide = replace(like, shape=[64, 64])
    row = WrittenTensor([2], "int32", data=np.array([63, 0], np.int32))
    beginning, whole, ones = (replace(row, data=np.array(values, np.int32)) for values in ([0, 0], [64, 64], [1, 1]))
    operators = [
        WrittenOperator("MAXIMUM", [0, 0], [1]),
        WrittenOperator("MAXIMUM", [1, 6], [2]),  # [64, 64] out of the row [1, 64]
        WrittenOperator("STRIDED_SLICE", [2, 7, 9, 10], [3]),
        WrittenOperator("MAXIMUM", [3, 11], [4]),  # 32 rows out of one
        WrittenOperator("CONCATENATION", [1, 4], [5], {"Axis": 0}),
    ]
    tall = replace(like, shape=[32, 64])
    tensors = [
        *(like, like, wide, like, tall, replace(like, shape=[33, 64])),
        *(replace(like, shape=[64, 1], data=np.zeros([64, 1], np.int8)), row, beginning, whole, ones),
        replace(like, shape=[32, 1], data=np.zeros([32, 1], np.int8)),
    ]
    compiled = compile_model(write_model(tensors, operators, [0], [5]))
    assert compiled.plan.arena_bytes == 66 * 64, (
        "both parts and the whole at the end; 33 + 64 rows if computed inside it"
    )


def test_padding_nothing_and_keeping_everything_cost_no_code() -> None:
    like = WrittenTensor([1, 3, 4, 2], "int8", [0.1], [3])
    nothing = WrittenTensor([4, 2], "int32", data=np.zeros([4, 2], np.int32))
    size = WrittenTensor([2], "int32", data=np.array([3, 4], np.int32))
    order = WrittenTensor([4], "int32", data=np.array([1, 0, 2, 3], np.int32))
    operators = [
        WrittenOperator("PAD", [0, 5], [1]),
        WrittenOperator("RESIZE_BILINEAR", [1, 6], [2], {"HalfPixelCenters": True}),
        WrittenOperator("RESIZE_NEAREST_NEIGHBOR", [2, 6], [3]),
        WrittenOperator("TRANSPOSE", [3, 7], [4]),
    ]
    tensors = [like, like, like, like, replace(like, shape=[3, 1, 4, 2]), nothing, size, order]
    compiled = compile_model(write_model(tensors, operators, [0], [4]))
    assert [layer.kernel for layer in compiled.layers] == [None] * 4
    assert compiled.plan.arena_bytes == like_bytes(like)


def test_a_small_slice_does_not_keep_a_large_tensor_alive() -> None:
    rows = WrittenTensor([100, 8], "int8", [0.1], [3])
    numbers = [WrittenTensor([2], "int32", data=np.array(values, np.int32)) for values in ([99, 0], [100, 8], [1, 1])]
    operators = [
        WrittenOperator("STRIDED_SLICE", [0, 3, 4, 5], [1]),
        WrittenOperator("LOGISTIC", [1], [2]),
    ]
    tensors = [rows, replace(rows, shape=[1, 8]), WrittenTensor([1, 8], "int8", [1 / 256], [-128]), *numbers]
    compiled = compile_model(write_model(tensors, operators, [0], [2]))
    assert compiled.layers[0].kernel == "tml_copy_blocks"
    assert compiled.plan.arena_bytes == like_bytes(rows), "copied to the front of the tensor that it came from"


def like_bytes(tensor: WrittenTensor) -> int:
    return int(np.prod(tensor.shape))


@pytest.mark.usefixtures("host_models")
def test_all_headers_of_kernels_can_be_in_one_model(tmp_path: Path) -> None:
    headers = sorted(file.name for file in (IMAGE / "kernels").glob("*.h"))
    (tmp_path / "all.c").write_text("".join(f'#include "{name}"\n' for name in headers) + "int all_headers;\n")
    subprocess.run(["gcc", *FLAGS, "-c", "all.c"], cwd=tmp_path, check=True)
