"""HARD_SWISH: x * relu6(x + 3) / 6 in the oracle's 16-bit steps, as a table of 256 outputs made here."""

from compiler.errors import Code
from compiler.fixed_point import shift_right, single, table_of_int8
from compiler.graph import DType, Node
from compiler.layer import Layer
from compiler.operators.family import Family
from compiler.operators.lookup import lookup_layer
from compiler.operators.rules import EXPORT_HINT, affine, multiplier, require_arity, require_shape, require_type

HEADROOM = 7  # bits that an input is shifted left by
INT16_MAX = (1 << 15) - 1
# The argument's scale where [-3, 3] fills 16 bits.
RELU_SCALE = 3.0 / (1 << 15)


def _saturated(value: int) -> int:
    return min(max(value, -INT16_MAX - 1), INT16_MAX)


def _factor(node: Node, real: float) -> tuple[int, int]:
    """A multiplier in 16 bits, and its shift."""
    value, shift = multiplier(node, real)
    return min((value + (1 << 15)) >> 16, INT16_MAX), shift


def _factors(node: Node) -> tuple[tuple[int, int], tuple[int, int]]:
    """From an input with its headroom to the output's scale, and to the scale of relu6."""
    raised = single(affine(node, node.input(0)).scale / (1 << HEADROOM))
    return (
        _factor(node, single(raised / affine(node, node.output).scale)),
        _factor(node, single(raised / single(RELU_SCALE))),
    )


def check(node: Node) -> None:
    """Refuses everything but int8 of one shape."""
    require_arity(node, 1, 1)
    for tensor in (node.input(0), node.output):
        require_type(node, tensor, DType.INT8)
    require_shape(node, node.output, node.input(0).shape)
    to_output, to_relu = _factors(node)
    if not -15 <= to_output[1] <= 0 or not -15 <= to_relu[1] <= 15:
        raise node.refusal(
            Code.BAD_MODEL,
            f"the scales of {node.input(0).label} and {node.output.label} are too far apart",
            EXPORT_HINT,
        )


def lower(node: Node) -> Layer:
    """The call of `tml_lookup`."""
    source, target = affine(node, node.input(0)), affine(node, node.output)
    to_output, to_relu = _factors(node)

    def output(stored: int) -> int:
        raised = (stored - source.zero_point) << HEADROOM
        share = (_relu(raised, *to_relu) + (1 << 15)) >> 1
        product = share * _high_multiply(raised, to_output[0])
        # Towards zero, as a division in C.
        product = product // (1 << 15) if product >= 0 else -(-product // (1 << 15))
        return shift_right(product, -to_output[1]) + target.zero_point

    return lookup_layer(node, table_of_int8(output))


def _relu(value: int, factor: int, shift: int) -> int:
    """The argument on the scale where -3 and 3 saturate."""
    if shift > 0:
        value = _saturated(value << (shift - 1))
    value = _high_multiply(value, factor)
    if shift > 0:
        return _saturated(value << 1)
    return shift_right(value, -shift)


def _high_multiply(left: int, right: int) -> int:
    """Twice the high half of the 32-bit product, rounded."""
    return (left * right + (1 << 14)) >> 15


HARD_SWISH = Family("HARD_SWISH", None, check, lower)
