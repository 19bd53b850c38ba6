"""FULLY_CONNECTED: each row of the input meets two pairs of filters at a time."""

from dataclasses import dataclass

from compiler.errors import Code
from compiler.flatbuffer import Table
from compiler.graph import DType, Node
from compiler.layer import Constant, Layer
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.filters import even, paired, rows_of
from compiler.operators.requantise import folded_bias, largest_sum, requantisation
from compiler.operators.rules import (
    EXPORT_HINT,
    activation_range,
    affine,
    biases,
    constant,
    require_arity,
    require_rank,
    require_type,
    weight_scales,
)


@dataclass(frozen=True, slots=True)
class FullyConnectedOptions:
    """FullyConnectedOptions of the schema; `keep_num_dims` only decides the output's shape, which is stored."""

    activation: int
    weights_format: int


def _read(table: Table) -> FullyConnectedOptions:
    return FullyConnectedOptions(activation=table.integer(0, "b"), weights_format=table.integer(1, "b"))


def check(node: Node) -> None:
    """Refuses everything but int8 [batches, depth] x [units, depth]."""
    require_arity(node, 2, 3)
    weights, _ = constant(node, 1)
    for tensor in (node.input(0), weights, node.output):
        require_type(node, tensor, DType.INT8)
    require_rank(node, weights, 2)
    units, depth = weights.shape
    batches = node.output.elements // units
    fits = node.output.shape and node.output.shape[-1] == units and node.input(0).elements == batches * depth
    if not fits:
        raise node.refusal(
            Code.BAD_MODEL, f"{node.input(0).label} x {weights.label} does not give {node.output.label}", EXPORT_HINT
        )
    options = options_of(node, FullyConnectedOptions)
    if options.weights_format != 0:
        raise node.refusal(Code.UNSUPPORTED_TYPE, "its weights are shuffled", "Export with default weights format.")
    biases(node, 2, units)
    affine(node, node.input(0))
    weight_scales(node, weights, 0)
    activation_range(node, options.activation, affine(node, node.output))


def lower(node: Node) -> Layer:
    """The call of `tml_fully_connected`."""
    weights, data = constant(node, 1)
    units, depth = weights.shape
    source, target = affine(node, node.input(0)), affine(node, node.output)
    bias = biases(node, 2, units)
    filters = rows_of(data, units)
    parameters, constants = requantisation(
        node,
        [source.scale * scale / target.scale for scale in weight_scales(node, weights, 0)],
        target,
        activation_range(node, options_of(node, FullyConnectedOptions).activation, target),
        largest_sum(bias, depth),
    )
    return Layer(
        kernel="tml_fully_connected",
        struct="tml_fully_connected",
        parameters=(
            ("batches", node.output.elements // units),
            ("depth", depth),
            ("units", units),
            *parameters,
        ),
        constants=(
            Constant("weights", "int8_t", paired(filters)),
            Constant("bias", "int32_t", even(folded_bias(bias, filters, source))),
            *constants,
        ),
        inputs=(node.input(0),),
        output=node.output,
        header="tml_conv.h",
    )


FULLY_CONNECTED = Family("FULLY_CONNECTED", OptionsReader(8, _read), check, lower)
