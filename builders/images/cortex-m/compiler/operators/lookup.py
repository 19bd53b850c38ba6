"""Any function of one byte as a table of 256."""

from collections.abc import Sequence

from compiler.graph import Node
from compiler.layer import IN_PLACE, Constant, Layer


def lookup_layer(node: Node, table: Sequence[int]) -> Layer:
    """The call of `tml_lookup`: output = table[input read as an unsigned byte]."""
    return Layer(
        kernel="tml_lookup",
        struct="tml_lookup_layer",
        parameters=(("count", node.output.elements),),
        constants=(Constant("table", "int8_t", table),),
        inputs=(node.input(0),),
        output=node.output,
        overlaps=(IN_PLACE,),
    )
