"""TANH: a table of 256 outputs made here."""

from compiler.errors import Code
from compiler.fixed_point import input_radius, rescale, shift_right, table_of_int8, tanh_of
from compiler.graph import DType, Node
from compiler.layer import Layer
from compiler.operators.family import Family
from compiler.operators.lookup import lookup_layer
from compiler.operators.rules import EXPORT_HINT, affine, multiplier, require_arity, require_shape, require_type

INTEGER_BITS = 4  # of the argument
OUTPUT_BITS = 7


def _factor(node: Node) -> tuple[int, int]:
    return multiplier(node, affine(node, node.input(0)).scale * (1 << (31 - INTEGER_BITS)))


def check(node: Node) -> None:
    """Refuses everything but int8 with the fixed output quantisation of the int8 specification."""
    require_arity(node, 1, 1)
    for tensor in (node.input(0), node.output):
        require_type(node, tensor, DType.INT8)
    require_shape(node, node.output, node.input(0).shape)
    if _factor(node)[1] < 0:
        raise node.refusal(Code.BAD_MODEL, f"{node.input(0).label} has too small a scale", EXPORT_HINT)
    target = affine(node, node.output)
    if target.zero_point != 0 or target.scale != 1 / 128:
        raise node.refusal(Code.BAD_MODEL, f"{node.output.label} must have scale 1/128 and zero point 0", EXPORT_HINT)


def lower(node: Node) -> Layer:
    """The call of `tml_lookup`."""
    source = affine(node, node.input(0))
    factor, shift = _factor(node)
    radius = input_radius(INTEGER_BITS, shift)

    def output(stored: int) -> int:
        value = stored - source.zero_point
        if abs(value) >= radius:
            return 127 if value > 0 else -128
        return shift_right(tanh_of(rescale(value, factor, shift), INTEGER_BITS), 31 - OUTPUT_BITS)

    return lookup_layer(node, table_of_int8(output))


TANH = Family("TANH", None, check, lower)
