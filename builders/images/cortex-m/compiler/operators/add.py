"""ADD and SUB: both inputs are brought to twice the larger scale, added or subtracted, and brought to the output's."""

from dataclasses import dataclass

from compiler.errors import Code
from compiler.flatbuffer import Table
from compiler.graph import Node
from compiler.layer import Layer
from compiler.operators.broadcast import check_operands, operand_overlaps, operand_parameters
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.requantise import requantisation
from compiler.operators.rules import EXPORT_HINT, activation_range, affine, multiplier

LEFT_SHIFT = 20  # headroom that both inputs are scaled up by before the rounding multiplications
LARGEST_TERM = 255 << (LEFT_SHIFT - 1)  # an input that was scaled up and halved, at the most


@dataclass(frozen=True, slots=True)
class AddOptions:
    """AddOptions and SubOptions of the schema."""

    activation: int


def _read(table: Table) -> AddOptions:
    return AddOptions(activation=table.integer(0, "b"))


def _factors(node: Node) -> tuple[float, float, float]:
    left, right, target = (affine(node, tensor) for tensor in (node.input(0), node.input(1), node.output))
    twice = 2 * max(left.scale, right.scale)
    output = twice / ((1 << LEFT_SHIFT) * target.scale)
    if output >= 1:
        raise node.refusal(
            Code.BAD_MODEL, f"its output scale {target.scale:g} is too small for its inputs", EXPORT_HINT
        )
    return left.scale / twice, right.scale / twice, output


def check(node: Node) -> None:
    """Refuses everything but int8 addition or subtraction of shapes that broadcast."""
    check_operands(node)
    _factors(node)
    activation_range(node, options_of(node, AddOptions).activation, affine(node, node.output))


def lower(node: Node) -> Layer:
    """The call of `tml_add`."""
    left, right, target = (affine(node, tensor) for tensor in (node.input(0), node.input(1), node.output))
    factors = _factors(node)
    to, constants = requantisation(
        node,
        factors[2:],
        target,
        activation_range(node, options_of(node, AddOptions).activation, target),
        2 * LARGEST_TERM,
    )
    parameters: list[tuple[str, int | str]] = [("offset_1", -left.zero_point), ("offset_2", -right.zero_point), *to]
    for name, factor in zip(("1", "2"), factors[:2], strict=True):
        value, shift = multiplier(node, factor)
        # Halving what was shifted left is exact: no rounding takes part.
        parameters += [(f"multiplier_{name}", value), (f"shift_{name}", shift), (f"halves_{name}", int(factor == 0.5))]
    return Layer(
        kernel="tml_add",
        struct="tml_add_layer",
        parameters=(*operand_parameters(node), ("subtracts", int(node.kind == "SUB")), *parameters),
        constants=constants,
        inputs=(node.input(0), node.input(1)),
        output=node.output,
        header="tml_add.h",
        overlaps=operand_overlaps(node),
    )


ADD = Family("ADD", OptionsReader(11, _read), check, lower)
SUB = Family("SUB", OptionsReader(28, _read), check, lower)
