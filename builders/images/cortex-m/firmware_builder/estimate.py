"""What a build would give, from the compiled model and the table of costs: nothing is compiled or linked."""

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.compile import CompiledModel
from compiler.cost import GENERIC_PER_ELEMENT, LayerCost, code_bytes, estimate
from compiler.errors import Code, CompileError

from firmware_builder.boards import Board
from firmware_builder.request import Optimise

_ALIGNMENT = 8
# What the device OS takes besides the model and the stack (docs/reference/device-os.md).
_OS_FLASH_BYTES = 91_000
_OS_RAM_BYTES = 148_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes of flash and RAM, and the cost of each layer. Flash, cost and an OS are near; arena and bare RAM exact."""

    flash_bytes: int
    ram_bytes: int
    arena_bytes: int
    layers: tuple[LayerCost, ...]


def estimate_build(
    compiled: CompiledModel, board: Board, optimise: Optimise, golden_inputs: Sequence[bytes]
) -> Estimate:
    """The estimate; refuses with numbers what cannot fit."""
    costs = estimate(compiled.graph.nodes, compiled.layers, board.cpu, optimise.value)
    golden = sum(map(len, golden_inputs))
    flash = compiled.constants_bytes + golden + round(code_bytes(costs, board.cpu, optimise.value))
    flash += _OS_FLASH_BYTES if board.os else 0
    states = {state.name: state.bytes for layer in compiled.layers for state in layer.states}
    ram = board.stack_bytes + sum(map(_aligned, (compiled.plan.arena_bytes, *states.values())))
    ram += _OS_RAM_BYTES if board.os else 0
    for what, needed, there in (("flash", flash, board.payload_bytes), ("RAM", ram, board.ram_bytes)):
        if needed > there:
            raise CompileError(
                Code.MODEL_TOO_LARGE,
                f"about {needed} bytes of {what} are needed; {board.name} has {there}",
                "Use a smaller model, or a board with more memory.",
            )
    return Estimate(flash, ram, compiled.plan.arena_bytes, costs)


def performance(costs: Sequence[LayerCost]) -> dict[str, object]:
    """result.json's `performance`: instructions and multiplications, in total and of each layer."""
    described: dict[str, object] = {
        "basis": "estimated",
        "instructions": round(sum(cost.instructions for cost in costs)),
        "macs": sum(cost.macs for cost in costs),
        "layers": [
            {
                "name": f"layer {cost.index}",
                "operator": cost.operator,
                "instructions": round(cost.instructions),
                "macs": cost.macs,
            }
            for cost in costs
        ],
    }
    unknown = sorted({cost.operator for cost in costs if not cost.calibrated})
    if unknown:
        described["notes"] = [
            f"Not measured for this processor: {', '.join(unknown)}; estimated as {GENERIC_PER_ELEMENT:g} instructions "
            "for each element read and written."
        ]
    return described


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
