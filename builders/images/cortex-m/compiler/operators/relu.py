"""RELU, RELU6 and LEAKY_RELU: tables of 256 outputs made here."""

from dataclasses import dataclass
from math import isfinite

from compiler.errors import Code
from compiler.fixed_point import rescale, single, table_of_int8
from compiler.flatbuffer import Table
from compiler.graph import DType, Node
from compiler.layer import Layer
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.lookup import lookup_layer
from compiler.operators.rules import (
    EXPORT_HINT,
    Activation,
    activation_range,
    affine,
    multiplier,
    require_arity,
    require_shape,
    require_type,
)


@dataclass(frozen=True, slots=True)
class LeakyReluOptions:
    """LeakyReluOptions of the schema."""

    alpha: float


def _read(table: Table) -> LeakyReluOptions:
    return LeakyReluOptions(alpha=table.real(0))


def _ratio(node: Node) -> float:
    return single(affine(node, node.input(0)).scale / affine(node, node.output).scale)


def _slope(node: Node) -> float:
    """The real factor of negative inputs."""
    alpha = options_of(node, LeakyReluOptions).alpha
    if not isfinite(alpha):
        raise node.refusal(Code.BAD_MODEL, f"its alpha is {alpha}", EXPORT_HINT)
    source, target = affine(node, node.input(0)), affine(node, node.output)
    return single(single(source.scale * alpha) / target.scale)


def _check_shapes(node: Node) -> None:
    require_arity(node, 1, 1)
    for tensor in (node.input(0), node.output):
        require_type(node, tensor, DType.INT8)
    require_shape(node, node.output, node.input(0).shape)


def check_relu(node: Node) -> None:
    """Refuses everything but int8 of one shape."""
    _check_shapes(node)
    multiplier(node, _ratio(node))


def check_relu6(node: Node) -> None:
    """Refuses what is not int8, and a change of quantisation: the oracle's RELU6 only limits the stored bytes."""
    _check_shapes(node)
    if affine(node, node.input(0)) != affine(node, node.output):
        raise node.refusal(
            Code.UNSUPPORTED_OPERATOR,
            f"{node.input(0).label} and {node.output.label} differ in scale or zero point",
            "Fuse the activation into the operator before it.",
        )
    activation_range(node, Activation.RELU6.number, affine(node, node.output))


def check_leaky_relu(node: Node) -> None:
    """Refuses everything but int8 of one shape."""
    check_relu(node)
    multiplier(node, _slope(node))


def lower_relu(node: Node) -> Layer:
    """The call of `tml_lookup`."""
    source, target = affine(node, node.input(0)), affine(node, node.output)
    value, shift = multiplier(node, _ratio(node))
    return lookup_layer(
        node,
        table_of_int8(
            lambda stored: max(target.zero_point, rescale(stored - source.zero_point, value, shift) + target.zero_point)
        ),
    )


def lower_relu6(node: Node) -> Layer:
    """The call of `tml_lookup`."""
    lowest, highest = activation_range(node, Activation.RELU6.number, affine(node, node.output))
    return lookup_layer(node, table_of_int8(lambda stored: min(max(stored, lowest), highest)))


def lower_leaky_relu(node: Node) -> Layer:
    """The call of `tml_lookup`."""
    source, target = affine(node, node.input(0)), affine(node, node.output)
    positive, negative = multiplier(node, _ratio(node)), multiplier(node, _slope(node))

    def output(stored: int) -> int:
        value = stored - source.zero_point
        return rescale(value, *(positive if value >= 0 else negative)) + target.zero_point

    return lookup_layer(node, table_of_int8(output))


RELU = Family("RELU", None, check_relu, lower_relu)
RELU6 = Family("RELU6", None, check_relu6, lower_relu6)
LEAKY_RELU = Family("LEAKY_RELU", OptionsReader(75, _read), check_leaky_relu, lower_leaky_relu)
