"""MEAN and SUM over neighbouring dimensions."""

from compiler.graph import Node
from compiler.layer import IN_PLACE, Layer
from compiler.operators.family import Family
from compiler.operators.reduction import READER, check_reduction, reduced
from compiler.operators.rules import affine, multiplier


def check(node: Node) -> None:
    """Refuses everything but int8 over neighbouring constant dimensions."""
    check_reduction(node)
    multiplier(node, affine(node, node.input(0)).scale / affine(node, node.output).scale)


def lower(node: Node) -> Layer:
    """The call of `tml_mean` on [outer, count, inner]; the 1/count of a mean is folded into the multiplier."""
    outer, count, inner = reduced(node)
    source, target = affine(node, node.input(0)), affine(node, node.output)
    factor, shift = multiplier(node, source.scale / target.scale)
    if node.kind == "MEAN":
        fold = min(count.bit_length() - 1, 32, 31 + shift)
        factor, shift = (factor << fold) // count, shift - fold
    return Layer(
        kernel="tml_mean",
        struct="tml_mean_layer",
        parameters=(
            ("outer", outer),
            ("count", count),
            ("inner", inner),
            ("input_offset", -source.zero_point),
            ("output_offset", target.zero_point),
            ("multiplier", factor),
            ("shift", shift),
        ),
        constants=(),
        inputs=(node.input(0),),
        output=node.output,
        overlaps=(IN_PLACE,),
    )


MEAN = Family("MEAN", READER, check, lower)
SUM = Family("SUM", READER, check, lower)
