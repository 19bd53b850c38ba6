"""REDUCE_MAX over neighbouring dimensions: what global max pooling becomes."""

from compiler.errors import Code
from compiler.graph import Node
from compiler.layer import IN_PLACE, Layer
from compiler.operators.family import Family
from compiler.operators.reduction import READER, check_reduction, reduced
from compiler.operators.rules import EXPORT_HINT, affine


def check(node: Node) -> None:
    """Refuses everything but int8 of one quantisation, over neighbouring constant dimensions."""
    check_reduction(node)
    if affine(node, node.input(0)) != affine(node, node.output):  # the oracle computes none
        raise node.refusal(
            Code.BAD_MODEL,
            f"{node.input(0).label} and {node.output.label} have different quantisations",
            EXPORT_HINT,
        )


def lower(node: Node) -> Layer:
    """The call of `tml_reduce_max` on [outer, count, inner]."""
    outer, count, inner = reduced(node)
    return Layer(
        kernel="tml_reduce_max",
        struct="tml_reduce_max_layer",
        parameters=(("outer", outer), ("count", count), ("inner", inner)),
        constants=(),
        inputs=(node.input(0),),
        output=node.output,
        overlaps=(IN_PLACE,),
    )


REDUCE_MAX = Family("REDUCE_MAX", READER, check, lower)
