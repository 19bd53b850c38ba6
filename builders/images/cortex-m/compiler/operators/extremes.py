"""MAXIMUM and MINIMUM: the larger or smaller of two stored bytes; like the oracle, without regard to their scales."""

from compiler.graph import Node
from compiler.layer import Layer
from compiler.operators.broadcast import check_operands, operand_overlaps, operand_parameters
from compiler.operators.family import Family


def lower(node: Node) -> Layer:
    """The call of `tml_extremes`."""
    return Layer(
        kernel="tml_extremes",
        struct="tml_extremes_layer",
        parameters=(*operand_parameters(node), ("largest", int(node.kind == "MAXIMUM"))),
        constants=(),
        inputs=(node.input(0), node.input(1)),
        output=node.output,
        header="tml_extremes.h",
        overlaps=operand_overlaps(node),
    )


MAXIMUM = Family("MAXIMUM", None, check_operands, lower)
MINIMUM = Family("MINIMUM", None, check_operands, lower)
