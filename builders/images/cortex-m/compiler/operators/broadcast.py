"""Two tensors of shapes that broadcast."""

from compiler.errors import Code
from compiler.graph import DType, Node
from compiler.layer import IN_PLACE, Overlap
from compiler.operators.loops import Loop, contiguous_steps, merged, row_parameters
from compiler.operators.rules import EXPORT_HINT, require_arity, require_shape, require_type


def _operand_steps(node: Node, shape: tuple[int, ...]) -> tuple[int, ...]:
    out = node.output.shape
    extended = (1,) * (len(out) - len(shape)) + shape
    return tuple(0 if size == 1 else step for size, step in zip(extended, contiguous_steps(extended), strict=True))


def check_operands(node: Node) -> None:
    """Refuses everything but two int8 tensors whose shapes broadcast to the output's."""
    require_arity(node, 2, 2)
    left, right = node.input(0), node.input(1)
    for tensor in (left, right, node.output):
        require_type(node, tensor, DType.INT8)
    rank = max(len(left.shape), len(right.shape))
    shapes = [(1,) * (rank - len(tensor.shape)) + tensor.shape for tensor in (left, right)]
    if any(a not in (1, b) and b != 1 for a, b in zip(*shapes, strict=True)):
        raise node.refusal(Code.BAD_MODEL, f"{left.label} and {right.label} do not broadcast", EXPORT_HINT)
    require_shape(node, node.output, tuple(max(pair) for pair in zip(*shapes, strict=True)))


def operand_parameters(node: Node) -> tuple[tuple[str, int | str], ...]:
    """The walk over both inputs, in the output's order."""
    steps = [_operand_steps(node, node.input(position).shape) for position in (0, 1)]
    loops = [Loop(size, (one, other)) for size, one, other in zip(node.output.shape, *steps, strict=True)]
    return row_parameters(merged(loops))


def operand_overlaps(node: Node) -> tuple[Overlap | None, ...]:
    """An input that no dimension repeats is read once, in the output's order."""
    return tuple(IN_PLACE if node.input(position).elements == node.output.elements else None for position in (0, 1))
