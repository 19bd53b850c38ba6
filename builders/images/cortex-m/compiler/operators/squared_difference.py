"""SQUARED_DIFFERENCE: both inputs are brought to twice the larger scale, and the square to the output's."""

from compiler.graph import Node
from compiler.layer import Layer
from compiler.operators.broadcast import check_operands, operand_overlaps, operand_parameters
from compiler.operators.family import Family
from compiler.operators.requantise import requantisation
from compiler.operators.rules import affine, multiplier

LEFT_SHIFT = 7  # headroom that both inputs are scaled up by: the square still fits 32 bits
LARGEST_SQUARE = (2 * (255 << (LEFT_SHIFT - 1)) + 2) ** 2


def _factors(node: Node) -> tuple[float, float, float]:
    left, right, target = (affine(node, tensor) for tensor in (node.input(0), node.input(1), node.output))
    twice = 2 * max(left.scale, right.scale)
    return left.scale / twice, right.scale / twice, twice * twice / ((1 << 2 * LEFT_SHIFT) * target.scale)


def check(node: Node) -> None:
    """Refuses everything but int8 of shapes that broadcast."""
    check_operands(node)
    for factor in _factors(node):
        multiplier(node, factor)


def lower(node: Node) -> Layer:
    """The call of `tml_squared_difference`."""
    left, right, target = (affine(node, tensor) for tensor in (node.input(0), node.input(1), node.output))
    one, other, output = _factors(node)
    to, constants = requantisation(node, (output,), target, (-128, 127), LARGEST_SQUARE)
    parameters: list[tuple[str, int | str]] = [("offset_1", -left.zero_point), ("offset_2", -right.zero_point)]
    for name, factor in (("1", one), ("2", other)):
        value, shift = multiplier(node, factor)
        parameters += [(f"multiplier_{name}", value), (f"shift_{name}", shift)]
    return Layer(
        kernel="tml_squared_difference",
        struct="tml_squared_difference_layer",
        parameters=(*operand_parameters(node), *parameters, *to),
        constants=constants,
        inputs=(node.input(0), node.input(1)),
        output=node.output,
        header="tml_squared_difference.h",
        overlaps=operand_overlaps(node),
    )


SQUARED_DIFFERENCE = Family("SQUARED_DIFFERENCE", None, check, lower)
