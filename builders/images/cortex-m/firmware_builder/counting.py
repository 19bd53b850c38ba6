"""Counts the instructions of each layer: the model as it was compiled, in bare firmware that runs in QEMU.

Neither board nor slot has to be there. A board with the device OS is counted as the bare board with its processor: the
model's code is the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from compiler.compile import CompiledModel
from compiler.errors import Code, CompileError
from compiler.macs import macs

from firmware_builder.boards import Board
from firmware_builder.emulator import emulated
from firmware_builder.toolchain import Toolchain

COUNTED_MACS = 100_000_000
"""Of models beyond, the emulation would take more than the seconds that an estimate has."""
_SECONDS = 10.0
"""For firmware that hangs: what may be emulated takes a few of them, and a build may have no more than twenty."""


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One layer that has a kernel; `instructions` is None where they were not counted."""

    index: int
    operator: str
    macs: int
    instructions: float | None


@dataclass(frozen=True, slots=True)
class Count:
    """The layers, and how they were counted or why they were not."""

    layers: tuple[LayerCost, ...]
    note: str


def count(compiled: CompiledModel, board: Board, toolchain: Toolchain, *, most_macs: int = COUNTED_MACS) -> Count:
    """Count the layers of a model whose object is in the toolchain's folder, for the bare `board` of that toolchain."""
    total = sum(map(macs, compiled.graph.nodes))
    if total > most_macs:
        return _uncounted(compiled, f"{total} multiplications are more than the {most_macs} that are emulated")
    try:
        payload = toolchain.build("profile", "-DPROFILE", "-DVECTORS=0")
    except CompileError as error:
        if error.code is not Code.MODEL_TOO_LARGE:  # with the report of the layers it is larger than without
            raise
        return _uncounted(compiled, error.message)
    found = emulated(payload, board, toolchain.folder, _SECONDS)
    if found.problem:
        return _uncounted(compiled, found.problem)
    return Count(_layers(compiled, found.layers), f"Counted in QEMU, on an emulated {board.name}, with one input.")


def _uncounted(compiled: CompiledModel, why: str) -> Count:
    return Count(_layers(compiled, {}), f"The instructions were not counted: {why}.")


def _layers(compiled: CompiledModel, instructions: Mapping[int, float]) -> tuple[LayerCost, ...]:
    return tuple(
        LayerCost(index, node.kind, macs(node), instructions.get(index))
        for index, (node, layer) in enumerate(zip(compiled.graph.nodes, compiled.layers, strict=True))
        if layer.kernel is not None
    )


def performance(counted: Count) -> dict[str, object]:
    """result.json's `performance`: instructions and multiplications, in total and of each layer."""
    found = [layer.instructions for layer in counted.layers if layer.instructions is not None]
    whole = {"instructions": round(sum(found))} if len(found) == len(counted.layers) else {}
    return {
        "basis": "estimated",
        **whole,
        "macs": sum(layer.macs for layer in counted.layers),
        "layers": [
            {
                "name": f"layer {layer.index}",
                "operator": layer.operator,
                "macs": layer.macs,
                **({} if layer.instructions is None else {"instructions": round(layer.instructions)}),
            }
            for layer in counted.layers
        ],
        "notes": [counted.note],
    }
