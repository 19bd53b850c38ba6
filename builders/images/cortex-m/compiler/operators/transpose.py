"""TRANSPOSE: dimensions in another order; no copy where only dimensions of size 1 move."""

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


def _order(node: Node) -> tuple[int, ...]:
    tensor, data = constant(node, 1)
    require_type(node, tensor, DType.INT32)
    order: tuple[int, ...] = unpack(f"<{tensor.elements}i", data)
    return order


def check(node: Node) -> None:
    """Refuses everything but int8 and a constant permutation of up to five dimensions."""
    require_arity(node, 2, 2)
    source = node.input(0)
    for tensor in (source, node.output):
        require_type(node, tensor, DType.INT8)
    require_rank_up_to(node, source, MAX_RANK)
    order = _order(node)
    if sorted(order) != list(range(len(source.shape))):
        raise node.refusal(
            Code.BAD_MODEL, f"{list(order)} does not put the dimensions of {source.label} in order", EXPORT_HINT
        )
    require_shape(node, node.output, tuple(source.shape[axis] for axis in order))


def lower(node: Node) -> Layer:
    """The call of `tml_copy_blocks`, or no code."""
    steps = contiguous_steps(node.input(0).shape)
    return gather_layer(node, node.input(0), node.output.shape, [steps[axis] for axis in _order(node)], 0)


TRANSPOSE = Family("TRANSPOSE", None, check, lower)
