"""SOFTMAX over the last dimension; the exponential of every possible difference is a table made here."""

from dataclasses import dataclass
from math import isfinite

from compiler.errors import Code
from compiler.fixed_point import INT32_MAX, exp_of_negative, high_multiply, input_radius, quantize_multiplier, wrap
from compiler.flatbuffer import Table
from compiler.graph import DType, Node
from compiler.layer import IN_PLACE, Constant, Layer
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.rules import EXPORT_HINT, affine, require_arity, require_shape, require_type

DIFFERENCE_BITS = 5  # integer bits of a scaled difference
MAX_DEPTH = 4095  # a sum of more exponentials would not fit Q12.19


@dataclass(frozen=True, slots=True)
class SoftmaxOptions:
    """SoftmaxOptions of the schema."""

    beta: float


def _read(table: Table) -> SoftmaxOptions:
    return SoftmaxOptions(beta=table.real(0))


def _factor(node: Node) -> float:
    beta = options_of(node, SoftmaxOptions).beta
    factor = beta * affine(node, node.input(0)).scale * (1 << (31 - DIFFERENCE_BITS))
    if not isfinite(beta) or not factor > 1:
        raise node.refusal(Code.BAD_MODEL, f"beta {beta:g} and its input scale give no usable factor", EXPORT_HINT)
    return min(factor, float(INT32_MAX))


def check(node: Node) -> None:
    """Refuses everything but int8 softmax with the fixed output quantisation of the int8 specification."""
    require_arity(node, 1, 1)
    for tensor in (node.input(0), node.output):
        require_type(node, tensor, DType.INT8)
    require_shape(node, node.output, node.input(0).shape)
    if not node.output.shape or node.output.shape[-1] > MAX_DEPTH:
        raise node.refusal(
            Code.UNSUPPORTED_OPERATOR, f"{node.output.label} has more than {MAX_DEPTH} classes", "Use fewer classes."
        )
    target = affine(node, node.output)
    if target.zero_point != -128 or target.scale != 1 / 256:
        raise node.refusal(
            Code.BAD_MODEL, f"{node.output.label} must have scale 1/256 and zero point -128", EXPORT_HINT
        )
    _factor(node)


def exponentials(factor: float) -> list[int]:
    """exp(-d * scale * beta) in Q0.31 for the differences d = 0..255; 0 beyond the fixed-point range."""
    multiplier, shift = quantize_multiplier(factor)
    radius = input_radius(DIFFERENCE_BITS, shift)
    return [
        exp_of_negative(high_multiply(wrap(-difference << shift), multiplier), DIFFERENCE_BITS)
        if difference <= radius
        else 0
        for difference in range(256)
    ]


def lower(node: Node) -> Layer:
    """The call of `tml_softmax`."""
    depth = node.output.shape[-1]
    return Layer(
        kernel="tml_softmax",
        struct="tml_softmax_layer",
        parameters=(("rows", node.output.elements // depth), ("depth", depth)),
        constants=(Constant("exponentials", "int32_t", exponentials(_factor(node))),),
        inputs=(node.input(0),),
        output=node.output,
        overlaps=(IN_PLACE,),
    )


SOFTMAX = Family("SOFTMAX", OptionsReader(9, _read), check, lower)
