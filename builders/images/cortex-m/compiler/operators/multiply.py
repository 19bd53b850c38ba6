"""MUL: products of two tensors, brought to the output's scale."""

from dataclasses import dataclass

from compiler.flatbuffer import Table
from compiler.graph import Node
from compiler.layer import Layer
from compiler.operators.broadcast import check_operands, operand_overlaps, operand_parameters
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.requantise import requantisation
from compiler.operators.rules import activation_range, affine, multiplier

LARGEST_PRODUCT = 255 * 255  # of two inputs less their zero points


@dataclass(frozen=True, slots=True)
class MulOptions:
    """MulOptions of the schema."""

    activation: int


def _read(table: Table) -> MulOptions:
    return MulOptions(activation=table.integer(0, "b"))


def _factor(node: Node) -> float:
    left, right, target = (affine(node, tensor) for tensor in (node.input(0), node.input(1), node.output))
    return left.scale * right.scale / target.scale


def check(node: Node) -> None:
    """Refuses everything but int8 multiplication of shapes that broadcast."""
    check_operands(node)
    multiplier(node, _factor(node))
    activation_range(node, options_of(node, MulOptions).activation, affine(node, node.output))


def lower(node: Node) -> Layer:
    """The call of `tml_multiply`."""
    left, right, target = (affine(node, tensor) for tensor in (node.input(0), node.input(1), node.output))
    limits = activation_range(node, options_of(node, MulOptions).activation, target)
    to, constants = requantisation(node, [_factor(node)], target, limits, LARGEST_PRODUCT)
    return Layer(
        kernel="tml_multiply",
        struct="tml_multiply_layer",
        parameters=(
            *operand_parameters(node),
            ("offset_1", -left.zero_point),
            ("offset_2", -right.zero_point),
            *to,
        ),
        constants=constants,
        inputs=(node.input(0), node.input(1)),
        output=node.output,
        header="tml_multiply.h",
        overlaps=operand_overlaps(node),
    )


MUL = Family("MUL", OptionsReader(21, _read), check, lower)
