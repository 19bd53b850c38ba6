"""Whole networks are exact, with tensors that overlap as the plan lets them: every variant of the kernels."""

import os

import numpy as np
import pytest
from compiler.compile import compile_model
from compiler.operators import FAMILIES
from compiler.parse import parse
from host_model import HostModels, oracle
from random_chains import BINARY, MOVES, random_chain
from tflite_writer import WrittenOperator, WrittenTensor, write_model

# 32 in every run of the tests; more in their place to look for trouble.
SEEDS = range(int(os.environ.get("TINYMLAAS_TEST_GRAPHS", "32")))
FOUND = (628, 783)
"""GCC took layers of these for functions without effect (kernels/tml_specialise.h, TML_LAYER)."""


@pytest.mark.parametrize("seed", sorted({*SEEDS, *FOUND}))
def test_a_random_network_is_exact(seed: int, host_models: HostModels) -> None:
    model, shape = random_chain(seed)
    rng = np.random.default_rng(seed)
    inputs = [[rng.integers(-128, 128, shape).astype(np.int8)] for _ in range(3)]
    expected = oracle(model, inputs)
    for variant, computed in host_models.run(model, inputs).items():
        assert computed == expected, f"the {variant} kernels differ"


def test_the_random_networks_hold_every_operator() -> None:
    seen = {node.kind for seed in range(100) for node in parse(random_chain(seed)[0]).nodes}
    # These came after seeds were found: test_exactness.py, test_moves.py and test_islands.py have them.
    later = {"ABS", "BATCH_MATMUL", "ELU", "EXPAND_DIMS", "NEG", "PACK", "REDUCE_MAX", "REVERSE_V2", "RSQRT", "SLICE"}
    later |= {"SQUARE", "SQUARED_DIFFERENCE", "SQUEEZE", "SUM", "UNPACK"}
    assert seen == set(FAMILIES) - later


def test_the_random_networks_overlap_tensors_and_stay_close_to_the_lower_bound() -> None:
    """Close together, and no plan far off: the bound knows one layer at a time, and not what the next ones allow."""
    plans = [compile_model(random_chain(seed)[0]).plan for seed in SEEDS]
    assert sum(plan.arena_bytes for plan in plans) <= 1.02 * sum(plan.lower_bound_bytes for plan in plans)
    for layout in plans:
        assert layout.lower_bound_bytes <= layout.arena_bytes <= 1.25 * layout.lower_bound_bytes + 64


@pytest.mark.parametrize("seed", range(8))
def test_a_network_of_all_operators_that_combine_and_move_tensors_is_exact(seed: int, host_models: HostModels) -> None:
    model, shape = random_chain(seed, (*BINARY, *MOVES))
    rng = np.random.default_rng(seed)
    inputs = [[rng.integers(-128, 128, shape).astype(np.int8)] for _ in range(3)]
    expected = oracle(model, inputs)
    for variant, computed in host_models.run(model, inputs).items():
        assert computed == expected, f"the {variant} kernels differ"


def test_the_source_names_every_layer() -> None:
    compiled = compile_model(random_chain(1)[0])
    for index, node in enumerate(compiled.graph.nodes):
        assert f"/* layer {index}: {node.kind}\n" in compiled.sources["model.c"]


def test_the_table_of_layers_names_each_that_has_a_kernel() -> None:
    compiled = compile_model(random_chain(1)[0])
    called = [(index, node.kind) for index, node in enumerate(compiled.graph.nodes) if compiled.layers[index].kernel]
    rows = [f'    {{{index}, "{kind}", layer_{index}_{kind.lower()}}},' for index, kind in called]
    assert f"#define MODEL_LAYERS {len(rows)}\n" in compiled.sources["model.h"]
    assert "\n".join(["model_layers[] = {", *rows, "};"]) in compiled.sources["model.c"]


@pytest.mark.parametrize("out_scale", [1e-4, 3e-3, 0.02, 40.0, 3e4, 2e7])
@pytest.mark.parametrize("fused", [0, 1])
@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_every_size_of_output_factor_is_exact(kind: str, fused: int, out_scale: float, host_models: HostModels) -> None:
    """Factors above one shift left, tiny ones shift so far that the zero point no longer fits beside the sum."""
    rng = np.random.default_rng(int(out_scale * 1e4) % 2**32)
    shape = [4, 3, 3, 4] if kind == "CONV_2D" else [1, 3, 3, 4]
    axis = 0 if kind == "CONV_2D" else 3
    scales = [0.01, 0.002, 0.03, 0.004]
    tensors = [
        WrittenTensor([1, 5, 6, 4], "int8", [0.1], [7]),
        WrittenTensor(shape, "int8", scales, [0] * 4, axis, rng.integers(-9, 9, shape).astype(np.int8)),
        WrittenTensor([1, 5, 6, 4], "int8", [out_scale], [-20]),
    ]
    options = {"StrideW": 1, "StrideH": 1, "Padding": 0, "FusedActivationFunction": fused}
    if kind == "DEPTHWISE_CONV_2D":
        options["DepthMultiplier"] = 1
    model = write_model(tensors, [WrittenOperator(kind, [0, 1], [2], options)], [0], [2])
    inputs = [[rng.integers(-128, 128, [1, 5, 6, 4]).astype(np.int8)] for _ in range(3)]
    expected = oracle(model, inputs)
    for variant, computed in host_models.run(model, inputs).items():
        assert computed == expected, f"the {variant} kernels differ"
