"""Estimates: exact where the planner knows, complete in their table, and honest about what was not measured."""

import dataclasses
import json
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from compiler import cost
from compiler.compile import compile_model
from compiler.cost_events import counts
from compiler.errors import Code, CompileError
from firmware_builder.boards import load_boards
from firmware_builder.estimate import estimate_build, performance
from firmware_builder.request import Optimise
from host_model import IMAGE
from random_chains import KINDS, random_chain
from random_operators import RandomGraph, binary, concatenation

BOARDS = load_boards(IMAGE / "boards")
DIGITS = compile_model((IMAGE / "samples" / "mnist.tflite").read_bytes())
EVERY_KIND = [compile_model(random_chain(seed, KINDS)[0]) for seed in range(12)]
CPUS = sorted({board.cpu for board in BOARDS.values()})
EVERY_KERNEL = [
    *((cpu, "balanced") for cpu in CPUS if cpu != "cortex-m55"),
    ("cortex-m4", "speed"),
    ("cortex-m4", "size"),
]
"""The processors and aims for which rare operators were measured as well."""


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("level", [level.value for level in Optimise])
def test_every_processor_and_aim_is_calibrated_for_a_usual_network(cpu: str, level: str) -> None:
    costs = cost.estimate(DIGITS.graph.nodes, DIGITS.layers, cpu, level)
    assert [each.kernel for each in costs if not each.calibrated] == []
    assert all(each.instructions > each.macs / 8 for each in costs)


def test_the_instructions_of_a_layer_are_its_counts_times_the_coefficients(tmp_path: Path) -> None:
    [layer] = [layer for layer in DIGITS.layers if layer.kernel == "tml_softmax"]
    node = DIGITS.graph.nodes[DIGITS.layers.index(layer)]
    table = {"tml_softmax": {"instructions": [5, 100, 7], "code_bytes": [20, 0, 0], "shared_bytes": [300]}}
    table |= {cost.RUNTIME: {"shared_bytes": [1000]}}
    file = tmp_path / "table.json"
    file.write_text(json.dumps({"processors": {"cortex-m4": {"balanced": table}}}))
    assert counts(layer, "cortex-m4") == (1, 1, 10)
    [found] = cost.estimate([node], [layer], "cortex-m4", "balanced", file)
    assert (found.instructions, found.code_bytes, found.calibrated) == (5 + 100 + 70, 20, True)
    assert cost.code_bytes([found], "cortex-m4", "balanced", file) == 1000 + 300 + 20


def test_a_kernel_whose_parameters_changed_gets_a_rough_figure_and_breaks_no_build() -> None:
    index = next(number for number, layer in enumerate(DIGITS.layers) if layer.kernel == "tml_softmax")
    changed = dataclasses.replace(DIGITS.layers[index], kernel="tml_conv_2d")
    [found] = cost.estimate([DIGITS.graph.nodes[index]], [changed], "cortex-m4", "balanced")
    assert not found.calibrated
    assert found.instructions > 0


def test_an_addition_is_calibrated() -> None:
    chains = (compile_model(random_chain(seed)[0]) for seed in range(40))
    chain = next(chain for chain in chains if any(layer.kernel == "tml_add" for layer in chain.layers))
    costs = cost.estimate(chain.graph.nodes, chain.layers, "cortex-m4", "balanced")
    assert all(each.calibrated for each in costs if each.kernel == "tml_add")


@pytest.mark.parametrize(("cpu", "level"), EVERY_KERNEL)
def test_every_kernel_that_an_operator_calls_is_calibrated(cpu: str, level: str) -> None:
    source = "".join(file.read_text() for file in (IMAGE / "compiler" / "operators").glob("*.py"))
    structs = set(re.findall(r'struct="(tml_\w+)"', source)) - set(re.findall(r'kernel="(tml_\w+)"', source))
    called = set(re.findall(r'"(tml_\w+)"', source)) - structs
    kernels: set[str] = set()
    for chain in EVERY_KIND:
        costs = cost.estimate(chain.graph.nodes, chain.layers, cpu, level)
        assert [each.kernel for each in costs if not each.calibrated] == []
        kernels |= {each.kernel for each in costs}
    assert kernels == called


@pytest.mark.parametrize(
    ("kind", "cpu", "found"),
    [
        ("MAXIMUM", "cortex-m4", (1, 1, 0, 2, 2, 0)),
        ("MAXIMUM", "cortex-m3", (1, 1, 0, 0, 10, 0)),
        ("MINIMUM", "cortex-m4", (1, 1, 0, 0, 10, 0)),
    ],
)
def test_the_larger_of_bytes_are_found_four_at_a_time_where_the_processor_can(
    kind: str, cpu: str, found: tuple[float, ...]
) -> None:
    graph = RandomGraph(np.random.default_rng(1))
    graph.inputs = [graph.tensor([1, 10]), graph.tensor([1, 10])]
    graph.outputs = [binary(graph, kind, *graph.inputs)]
    [layer] = compile_model(graph.write()).layers
    assert counts(layer, cpu) == found


def test_parts_that_lie_together_may_be_computed_in_place_and_others_are_copied() -> None:
    def events(shape: list[int], axis: int) -> tuple[float, ...]:
        graph = RandomGraph(np.random.default_rng(1))
        first = graph.tensor(shape)
        graph.inputs = [first, graph.tensor(shape, graph.tensors[first])]
        graph.outputs = [concatenation(graph, graph.inputs, axis)]
        [layer] = compile_model(graph.write()).layers
        return counts(layer, "cortex-m4")

    assert events([1, 5, 100], 1) == (1, 2, 2, *[0] * 9)
    assert events([1, 5, 101], 2) == (1, 2, *[0] * 7, 10, 10 * 25, 10 * 1)


def test_a_transposed_convolution_gathers_what_its_kernel_gathers() -> None:
    """Counted once more as kernels/tml_transpose_conv.h goes: pixel by pixel, row by row."""
    layers = [layer for chain in EVERY_KIND for layer in chain.layers if layer.kernel == "tml_transpose_conv"]
    assert layers
    for layer in layers:
        of = dict(layer.parameters)
        pixels = rows = whole = single = blank = 0
        for number_y, number_x in product(range(of["out_height"]), range(of["out_width"])):
            y, phase_y = divmod(number_y + of["pad_top"], of["stride_height"])
            x, phase_x = divmod(number_x + of["pad_left"], of["stride_width"])
            high = len(range(phase_y, of["height"], of["stride_height"]))
            wide = len(range(phase_x, of["width"], of["stride_width"]))
            pixels, rows = pixels + 1, rows + high
            for line in range(y - high + 1, y + 1):
                inside = [0 <= column < of["in_width"] for column in range(x - wide + 1, x + 1)]
                kept = 0 <= line < of["in_height"]
                whole += kept and all(inside)
                single += sum(inside) * (kept and not all(inside))
                blank += wide - sum(inside) if kept else wide
        words, tail = divmod(of["in_channels"], 4)
        found = counts(layer, "cortex-m4")
        assert (*found[:5], *found[7:9]) == (1, of["out_height"], pixels, rows, whole, single, blank)
        assert found[17:19] == ((single + blank) * words, (single + blank) * tail)


def test_what_was_not_measured_gets_a_rough_figure_and_is_named(tmp_path: Path) -> None:
    file = tmp_path / "table.json"
    file.write_text('{"processors": {}}')
    costs = cost.estimate(DIGITS.graph.nodes, DIGITS.layers, "cortex-m99", "balanced", file)
    assert not any(each.calibrated for each in costs)
    assert all(each.instructions > 0 for each in costs)
    described = performance(costs)
    assert isinstance(described["notes"], list)
    assert "CONV_2D" in described["notes"][0]
    assert "notes" not in performance(cost.estimate(DIGITS.graph.nodes, DIGITS.layers, "cortex-m4", "balanced"))


def test_the_arena_is_the_planner_s_and_what_cannot_fit_is_refused_with_numbers() -> None:
    board = BOARDS["mps2-an386"]
    found = estimate_build(DIGITS, board, Optimise.BALANCED, [bytes(64)])
    assert found.arena_bytes == DIGITS.plan.arena_bytes
    assert found.ram_bytes >= found.arena_bytes + board.stack_bytes
    with pytest.raises(CompileError) as caught:
        estimate_build(DIGITS, board, Optimise.BALANCED, [bytes(board.payload_bytes)])
    assert caught.value.code is Code.MODEL_TOO_LARGE
    assert str(board.payload_bytes) in caught.value.message
