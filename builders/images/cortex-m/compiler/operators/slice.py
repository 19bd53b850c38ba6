"""SLICE: so many elements from a beginning on, along each dimension."""

from struct import unpack

from compiler.errors import Code
from compiler.graph import DType, Node
from compiler.layer import Layer
from compiler.operators.family import Family
from compiler.operators.gather import gather_layer
from compiler.operators.loops import contiguous_steps
from compiler.operators.rules import (
    EXPORT_HINT,
    constant,
    require_arity,
    require_rank_up_to,
    require_shape,
    require_type,
)

MAX_RANK = 5  # of the oracle
INPUTS = ("begin", "size")


def _numbers(node: Node, position: int) -> tuple[int, ...]:
    tensor, data = constant(node, position)
    require_type(node, tensor, DType.INT32)
    rank = len(node.input(0).shape)
    require_shape(node, tensor, (rank,))
    numbers: tuple[int, ...] = unpack(f"<{rank}i", data)
    return numbers


def _begins(node: Node) -> tuple[int, ...]:
    """Where each dimension begins; the sizes are the output's, which `check` has compared."""
    begins = _numbers(node, 1)
    for axis, (begin, size) in enumerate(zip(begins, node.input(0).shape, strict=True)):
        if not 0 <= begin < size:
            raise node.refusal(
                Code.BAD_MODEL,
                f"it begins at {begin} of the {size} along dimension {axis} of {node.input(0).label}",
                EXPORT_HINT,
            )
    return begins


def check(node: Node) -> None:
    """Refuses everything but int8 and constant numbers for each of up to five dimensions."""
    require_arity(node, 3, 3)
    source = node.input(0)
    for tensor in (source, node.output):
        require_type(node, tensor, DType.INT8)
    require_rank_up_to(node, source, MAX_RANK)
    shape = []
    for axis, (begin, size, whole) in enumerate(zip(_begins(node), _numbers(node, 2), source.shape, strict=True)):
        taken = whole - begin if size == -1 else size
        if not 0 < taken <= whole - begin:
            raise node.refusal(
                Code.BAD_MODEL,
                f"it takes {size} from {begin} on along dimension {axis} of {source.label}",
                EXPORT_HINT,
            )
        shape.append(taken)
    require_shape(node, node.output, tuple(shape))


def lower(node: Node) -> Layer:
    """The call of `tml_copy_blocks`, or no code."""
    steps = contiguous_steps(node.input(0).shape)
    start = sum(begin * step for begin, step in zip(_begins(node), steps, strict=True))
    return gather_layer(node, node.input(0), node.output.shape, steps, start)


SLICE = Family("SLICE", None, check, lower)
