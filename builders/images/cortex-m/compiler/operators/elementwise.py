"""ABS and RSQRT of int8; NEG, SQUARE, ABS and ELU of float32 between two quantisations: tables of 256 outputs."""

from collections.abc import Callable
from dataclasses import dataclass
from math import copysign, expm1, frexp, ldexp, sqrt

from compiler.errors import Code
from compiler.fixed_point import (
    inverse_square_root,
    quantize_multiplier,
    rescale,
    round_half_away,
    single,
    table_of_int8,
)
from compiler.graph import DType, Node
from compiler.layer import Layer
from compiler.operators.family import Family
from compiler.operators.lookup import lookup_layer
from compiler.operators.rules import EXPORT_HINT, affine, multiplier, require_arity, require_shape, require_type

RSQRT_SHIFT = 20  # headroom of the oracle's inverse square root
FAR = 1e9  # of a float32 that is to become an int8: only its side matters
ULPS = 2  # by which the exponentials of two C libraries may differ


@dataclass(frozen=True, slots=True)
class FloatStep:
    """The operator computes in float32, between a DEQUANTIZE and a QUANTIZE that are part of it (compiler/islands.py).

    `function` is the float32 result for a float32; `exact` where every machine computes the same one.
    """

    function: Callable[[float], float]
    exact: bool = True


NOTHING = FloatStep(lambda value: value)
"""From one quantisation to another, as DEQUANTIZE and QUANTIZE do it."""

FLOAT_STEPS = {
    "ABS": FloatStep(abs),
    "NEG": FloatStep(lambda value: -value),
    "SQUARE": FloatStep(lambda value: single(value * value)),
    "ELU": FloatStep(lambda value: value if value >= 0 else single(expm1(value)), exact=False),
}


def _check_tensors(node: Node) -> None:
    require_arity(node, 1, 1)
    for tensor in (node.input(0), node.output):
        require_type(node, tensor, DType.INT8)
        affine(node, tensor)
    require_shape(node, node.output, node.input(0).shape)


def _real(node: Node, stored: int) -> float:
    source = affine(node, node.input(0))
    return single(source.scale * (stored - source.zero_point))


def _stored(node: Node, value: float) -> int:
    target = affine(node, node.output)
    quotient = single(value / target.scale)
    return target.zero_point + round_half_away(quotient if abs(quotient) < FAR else copysign(FAR, quotient))


def _neighbours(value: float) -> tuple[float, float]:
    """What lies ULPS below and above a float32."""
    _, exponent = frexp(value)
    step = ldexp(ULPS, max(exponent - 24, -149))
    return single(value - step), single(value + step)


def float_table(node: Node, step: FloatStep) -> tuple[int, ...]:
    """The 256 outputs; refuses those that two machines could round differently."""

    def output(stored: int) -> int:
        real = _real(node, stored)
        value = step.function(real)
        found = _stored(node, value)
        if not step.exact and value != real and any(_stored(node, other) != found for other in _neighbours(value)):
            raise node.refusal(
                Code.UNSUPPORTED_OPERATOR,
                f"for the input {stored} of {node.input(0).label} its value lies between two outputs, where "
                "machines round differently",
                "Quantise again with another representative dataset.",
            )
        return found

    return table_of_int8(output)


def _table(node: Node) -> tuple[int, ...]:
    if isinstance(node.options, FloatStep):
        return float_table(node, node.options)
    return table_of_int8(_abs_output(node))


def _abs_output(node: Node) -> Callable[[int], int]:
    source, target = affine(node, node.input(0)), affine(node, node.output)
    if source.scale == target.scale:
        return lambda stored: abs(stored - source.zero_point) + target.zero_point
    value, shift = multiplier(node, source.scale / target.scale)
    return lambda stored: rescale(abs(stored - source.zero_point), value, shift) + target.zero_point


def check_abs(node: Node) -> None:
    """Refuses everything but int8 of one shape."""
    _check_tensors(node)
    _table(node)


def check_float(node: Node) -> None:
    """Refuses what is not between a DEQUANTIZE and a QUANTIZE."""
    _check_tensors(node)
    if not isinstance(node.options, FloatStep):
        raise node.refusal(Code.UNSUPPORTED_OPERATOR, f"{node.output.label} is computed in int8", EXPORT_HINT)
    _table(node)


def lower_table(node: Node) -> Layer:
    """The call of `tml_lookup`."""
    return lookup_layer(node, _table(node))


def check_rsqrt(node: Node) -> None:
    """Refuses what is not int8, and inputs that can be negative: the oracle ends the inference at one."""
    _check_tensors(node)
    if affine(node, node.input(0)).zero_point != -128:
        raise node.refusal(
            Code.UNSUPPORTED_OPERATOR,
            f"{node.input(0).label} can be negative: its zero point is not -128",
            "Take the root of what is positive for every input of the representative dataset.",
        )
    _rsqrt_factor(node)


def _rsqrt_factor(node: Node) -> tuple[int, int]:
    source, target = affine(node, node.input(0)), affine(node, node.output)
    value, shift = quantize_multiplier(1.0 / (sqrt(source.scale) * target.scale))
    # The result of a root is in Q11.20: shifted back here, and not beyond 32 bits.
    if not -31 <= shift - RSQRT_SHIFT <= 0:
        raise node.refusal(
            Code.BAD_MODEL, f"{node.input(0).label} and {node.output.label} have scales far apart", EXPORT_HINT
        )
    return value, shift - RSQRT_SHIFT


def lower_rsqrt(node: Node) -> Layer:
    """The call of `tml_lookup`."""
    source, target = affine(node, node.input(0)), affine(node, node.output)
    value, shift = _rsqrt_factor(node)

    def output(stored: int) -> int:
        if stored == source.zero_point:
            return 127
        root, root_shift = inverse_square_root(stored - source.zero_point)
        return rescale(rescale(1, root, root_shift + RSQRT_SHIFT), value, shift) + target.zero_point

    return lookup_layer(node, table_of_int8(output))


ABS = Family("ABS", None, check_abs, lower_table)
ELU = Family("ELU", None, check_float, lower_table)
NEG = Family("NEG", None, check_float, lower_table)
SQUARE = Family("SQUARE", None, check_float, lower_table)
RSQRT = Family("RSQRT", None, check_rsqrt, lower_rsqrt)
