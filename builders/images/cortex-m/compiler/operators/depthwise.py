"""DEPTHWISE_CONV_2D: every input channel has `multiplier` filters of its own."""

from array import array

from compiler.errors import Code
from compiler.flatbuffer import Table
from compiler.graph import DType, Node
from compiler.layer import Constant, Layer
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.rules import (
    EXPORT_HINT,
    Axis,
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
from compiler.operators.window import WindowOptions, window, window_parameters


def _read(table: Table) -> WindowOptions:
    # Slot 3, the channel multiplier, is redundant: the shapes decide, as in the oracle.
    return WindowOptions(
        padding=table.integer(0, "b"),
        stride_width=table.integer(1, "i"),
        stride_height=table.integer(2, "i"),
        activation=table.integer(4, "b"),
        dilation_width=table.integer(5, "i", 1),
        dilation_height=table.integer(6, "i", 1),
    )


def _geometry(node: Node) -> tuple[Axis, Axis]:
    weights, _ = constant(node, 1)
    batch, height, width, channels = weights.shape
    if batch != 1 or channels % node.input(0).shape[3]:
        raise node.refusal(
            Code.BAD_MODEL, f"{weights.label} does not fit {node.input(0).shape[3]} input channels", EXPORT_HINT
        )
    return window(node, options_of(node, WindowOptions), height, width, channels)


def check(node: Node) -> None:
    """Refuses everything but int8 depthwise convolution with constant filters."""
    require_arity(node, 2, 3)
    for tensor in (node.input(0), node.input(1), node.output):
        require_type(node, tensor, DType.INT8)
        require_rank(node, tensor, 4)
    _geometry(node)
    biases(node, 2, node.input(1).shape[3])
    affine(node, node.input(0))
    weight_scales(node, node.input(1), 3)
    activation_range(node, options_of(node, WindowOptions).activation, affine(node, node.output))


def lower(node: Node) -> Layer:
    """The call of `tml_depthwise_conv_2d`."""
    rows, columns = _geometry(node)
    weights, data = constant(node, 1)
    source, target = affine(node, node.input(0)), affine(node, node.output)
    low, high = activation_range(node, options_of(node, WindowOptions).activation, target)
    scales = weight_scales(node, weights, 3)
    channels = weights.shape[3]
    multiplier, shift = output_multipliers(node, [source.scale * scale / target.scale for scale in scales])
    return Layer(
        kernel="tml_depthwise_conv_2d",
        struct="tml_depthwise",
        parameters=(
            *window_parameters(node, rows, columns),
            ("out_channels", channels),
            ("channel_multiplier", channels // node.input(0).shape[3]),
            ("input_offset", -source.zero_point),
            ("output_offset", target.zero_point),
            ("low", low),
            ("high", high),
            ("channel_step", int(len(scales) > 1)),
        ),
        constants=(
            Constant("weights", "int8_t", array("b", bytes(data))),
            Constant("bias", "int32_t", biases(node, 2, channels)),
            multiplier,
            shift,
        ),
        inputs=(node.input(0),),
        output=node.output,
    )


DEPTHWISE_CONV_2D = Family("DEPTHWISE_CONV_2D", OptionsReader(2, _read), check, lower)
