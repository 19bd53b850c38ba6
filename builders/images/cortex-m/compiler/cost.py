"""What a model costs before it is built: instructions of each layer, bytes of code, by a table that was measured.

A kernel's work is counted in the events of its loops (compiler/cost_events.py), and the instructions are those counts
times the coefficients of `cost_table.json`, one set for each processor, aim of optimisation and kernel. Its code is the
sum of a second set, one number for each event that occurs at all. bench/calibrate.py fits them to layers measured in
QEMU, and says in the table how well they fit. A kernel that the table does not know gets `GENERIC_PER_ELEMENT`
instructions for each byte in and out, and the estimate names it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from compiler.cost_events import counts
from compiler.graph import Node
from compiler.layer import Layer

GENERIC_PER_ELEMENT = 12.0
GENERIC_CODE_BYTES = 400
TABLE = Path(__file__).with_name("cost_table.json")

RUNTIME = "runtime"
"""The entry of `cost_table.json` for what is not the model's: start-up, report, golden run."""


@dataclass(frozen=True, slots=True)
class LayerCost:
    """The estimate for one layer that has a kernel; `calibrated` is False where no measurement stands behind it."""

    index: int
    operator: str
    kernel: str
    instructions: float
    macs: int
    code_bytes: float
    calibrated: bool


_FILTER_AXIS = {"CONV_2D": 0, "FULLY_CONNECTED": 0, "DEPTHWISE_CONV_2D": 3}


def macs(node: Node) -> int:
    """Multiplications of the model's definition, padding included."""
    axis = _FILTER_AXIS.get(node.kind)
    if axis is None:
        return 0
    weights = node.input(1)
    return node.output.elements // weights.shape[axis] * weights.elements


@cache
def _table(path: Path) -> dict[str, dict[str, dict[str, dict[str, list[float]]]]]:
    table: dict[str, dict[str, dict[str, dict[str, list[float]]]]] = json.loads(path.read_text(encoding="ascii"))
    return table


def _known(cpu: str, optimise: str, table: Path) -> dict[str, dict[str, list[float]]]:
    return _table(table)["processors"].get(cpu, {}).get(optimise, {})


def code_bytes(costs: Sequence[LayerCost], cpu: str, optimise: str, table: Path = TABLE) -> float:
    """Flash beside constants and golden inputs: the runtime, what kernels share, and the code of each layer."""
    known = _known(cpu, optimise, table)
    names = {RUNTIME, *(cost.kernel for cost in costs)}
    shared = sum(known[name]["shared_bytes"][0] if name in known else GENERIC_CODE_BYTES for name in names)
    return shared + sum(cost.code_bytes for cost in costs)


def estimate(
    nodes: Sequence[Node], layers: Sequence[Layer], cpu: str, optimise: str, table: Path = TABLE
) -> tuple[LayerCost, ...]:
    """The cost of every layer that has a kernel, in the model's order."""
    known = _known(cpu, optimise, table)
    costs: list[LayerCost] = []
    for index, (node, layer) in enumerate(zip(nodes, layers, strict=True)):
        if layer.kernel is None:
            continue
        found = counts(layer, cpu)
        entry = known.get(layer.kernel)
        if entry is None or len(entry["instructions"]) != len(found):
            instructions, code, calibrated = GENERIC_PER_ELEMENT * sum(found[1:]), float(GENERIC_CODE_BYTES), False
        else:
            instructions = sum(count * each for count, each in zip(found, entry["instructions"], strict=True))
            code = sum(each for count, each in zip(found, entry["code_bytes"], strict=True) if count)
            calibrated = True
        costs.append(LayerCost(index, node.kind, layer.kernel, instructions, macs(node), code, calibrated))
    return tuple(costs)
