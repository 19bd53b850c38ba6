"""FULLY_CONNECTED: a convolution with a window of one over `batches` pixels."""

from dataclasses import dataclass

from compiler.errors import Code
from compiler.flatbuffer import Table
from compiler.graph import DType, Node
from compiler.layer import Constant, Layer
from compiler.operators.convolution import COLUMNS, packed_rows, row_length
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.rules import (
    EXPORT_HINT,
    activation_range,
    affine,
    biases,
    constant,
    output_multipliers,
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
    """The call of `tml_conv_2d` with one pixel for each batch."""
    weights, data = constant(node, 1)
    units, depth = weights.shape
    batches = node.output.elements // units
    source, target = affine(node, node.input(0)), affine(node, node.output)
    low, high = activation_range(node, options_of(node, FullyConnectedOptions).activation, target)
    scales = weight_scales(node, weights, 0)
    length = row_length(depth)
    multiplier, shift = output_multipliers(node, [source.scale * scale / target.scale for scale in scales])
    return Layer(
        kernel="tml_conv_2d",
        struct="tml_conv",
        parameters=(
            ("window.batches", 1),
            ("window.in_height", batches),
            ("window.in_width", 1),
            ("window.in_channels", depth),
            ("window.out_height", batches),
            ("window.out_width", 1),
            ("window.height", 1),
            ("window.width", 1),
            ("window.stride_height", 1),
            ("window.stride_width", 1),
            ("window.dilation_height", 1),
            ("window.dilation_width", 1),
            ("window.pad_top", 0),
            ("window.pad_left", 0),
            ("out_channels", units),
            ("row_length", length),
            ("input_offset", -source.zero_point),
            ("output_offset", target.zero_point),
            ("low", low),
            ("high", high),
            ("channel_step", int(len(scales) > 1)),
        ),
        constants=(
            Constant("weights", "int8_t", packed_rows(data, units)),
            Constant("bias", "int32_t", biases(node, 2, units)),
            multiplier,
            shift,
        ),
        inputs=(node.input(0),),
        output=node.output,
        scratch_bytes=(COLUMNS if batches > 1 else 1) * 2 * length,
    )


FULLY_CONNECTED = Family("FULLY_CONNECTED", OptionsReader(8, _read), check, lower)
