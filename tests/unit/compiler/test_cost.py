"""Estimates: exact where the planner knows, complete in their table, and honest about what was not measured."""

import dataclasses
import json
from pathlib import Path

import pytest
from compiler import cost
from compiler.compile import compile_model
from compiler.errors import Code, CompileError
from firmware_builder.boards import load_boards
from firmware_builder.estimate import estimate_build, performance
from firmware_builder.request import Optimise
from host_model import IMAGE

BOARDS = load_boards(IMAGE / "boards")
DIGITS = compile_model((IMAGE / "samples" / "mnist.tflite").read_bytes())
CPUS = sorted({board.cpu for board in BOARDS.values()})


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
    assert cost.counts(layer, "cortex-m4") == (1, 1, 10)
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
    from random_chains import random_chain

    chains = (compile_model(random_chain(seed)[0]) for seed in range(40))
    chain = next(chain for chain in chains if any(layer.kernel == "tml_add" for layer in chain.layers))
    costs = cost.estimate(chain.graph.nodes, chain.layers, "cortex-m4", "balanced")
    assert all(each.calibrated for each in costs if each.kernel == "tml_add")


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
