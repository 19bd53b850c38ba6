"""REVERSE_V2: one dimension backwards."""

from struct import unpack

from compiler.errors import Code
from compiler.graph import DType, Node
from compiler.layer import Layer
from compiler.operators.family import Family
from compiler.operators.gather import gather_layer
from compiler.operators.loops import contiguous_steps
from compiler.operators.rules import axis_of, constant, require_arity, require_shape, require_type


def _axis(node: Node) -> int:
    tensor, data = constant(node, 1)
    require_type(node, tensor, DType.INT32)
    if tensor.elements != 1:
        raise node.refusal(
            Code.UNSUPPORTED_OPERATOR,
            f"it reverses {tensor.elements} dimensions of {node.input(0).label}; one is supported",
            "Reverse one dimension after the other.",
        )
    (axis,) = unpack("<i", data)
    return axis_of(node, node.input(0), axis)


def check(node: Node) -> None:
    """Refuses everything but int8 and one constant dimension."""
    require_arity(node, 2, 2)
    for tensor in (node.input(0), node.output):
        require_type(node, tensor, DType.INT8)
    _axis(node)
    require_shape(node, node.output, node.input(0).shape)


def lower(node: Node) -> Layer:
    """The call of `tml_copy_blocks`, or no code."""
    axis, shape = _axis(node), node.input(0).shape
    steps = list(contiguous_steps(shape))
    start = (shape[axis] - 1) * steps[axis]
    steps[axis] = -steps[axis]
    return gather_layer(node, node.input(0), shape, steps, start)


REVERSE_V2 = Family("REVERSE_V2", None, check, lower)
