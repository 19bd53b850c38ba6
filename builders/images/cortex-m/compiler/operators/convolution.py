"""CONV_2D: gathers two output pixels' windows into columns, then multiplies them by all filters."""

from array import array
from collections.abc import Sequence

from compiler.errors import Code
from compiler.flatbuffer import Table
from compiler.graph import DType, Node
from compiler.layer import Constant, Layer
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.rules import (
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

COLUMNS = 2  # output pixels that the kernel computes together
GROUP = 4  # weights that the kernel loads together


def _read(table: Table) -> WindowOptions:
    return WindowOptions(
        padding=table.integer(0, "b"),
        stride_width=table.integer(1, "i"),
        stride_height=table.integer(2, "i"),
        activation=table.integer(3, "b"),
        dilation_width=table.integer(4, "i", 1),
        dilation_height=table.integer(5, "i", 1),
    )


def row_length(elements: int) -> int:
    """Weights of one filter as stored: padded with zeros to whole groups."""
    return -(-elements // GROUP) * GROUP


def packed_rows(data: memoryview, rows: int) -> Sequence[int]:
    """Filters in the kernel's order: in each group of four the second and third change places.

    Sign-extending every other byte of a word (SXTB16) then gives neighbours of the columns.
    """
    length = len(data) // rows
    packed = array("b")
    for row in range(rows):
        values = array("b", bytes(data[row * length : (row + 1) * length]) + bytes(row_length(length) - length))
        values[1::GROUP], values[2::GROUP] = values[2::GROUP], values[1::GROUP]
        packed += values
    return packed


def _geometry(node: Node) -> tuple[Axis, Axis]:
    options = options_of(node, WindowOptions)
    weights, _ = constant(node, 1)
    channels, height, width, depth = weights.shape
    if depth != node.input(0).shape[3]:
        raise node.refusal(
            Code.UNSUPPORTED_OPERATOR,
            f"its filters have {depth} channels and its input {node.input(0).shape[3]}: grouped convolution",
            "Use one group.",
        )
    return window(node, options, height, width, channels)


def check(node: Node) -> None:
    """Refuses everything but int8 convolution with constant filters."""
    require_arity(node, 2, 3)
    for tensor in (node.input(0), node.input(1), node.output):
        require_type(node, tensor, DType.INT8)
        require_rank(node, tensor, 4)
    _geometry(node)
    biases(node, 2, node.input(1).shape[0])
    affine(node, node.input(0))
    weight_scales(node, node.input(1), 0)
    activation_range(node, options_of(node, WindowOptions).activation, affine(node, node.output))


def lower(node: Node) -> Layer:
    """The call of `tml_conv_2d`."""
    rows, columns = _geometry(node)
    weights, data = constant(node, 1)
    source, target = affine(node, node.input(0)), affine(node, node.output)
    low, high = activation_range(node, options_of(node, WindowOptions).activation, target)
    scales = weight_scales(node, weights, 0)
    channels = weights.shape[0]
    length = row_length(weights.elements // channels)
    multiplier, shift = output_multipliers(node, [source.scale * scale / target.scale for scale in scales])
    return Layer(
        kernel="tml_conv_2d",
        struct="tml_conv",
        parameters=(
            *window_parameters(node, rows, columns),
            ("out_channels", channels),
            ("row_length", length),
            ("input_offset", -source.zero_point),
            ("output_offset", target.zero_point),
            ("low", low),
            ("high", high),
            ("channel_step", int(len(scales) > 1)),
        ),
        constants=(
            Constant("weights", "int8_t", packed_rows(data, channels)),
            Constant("bias", "int32_t", biases(node, 2, channels)),
            multiplier,
            shift,
        ),
        inputs=(node.input(0),),
        output=node.output,
        scratch_bytes=COLUMNS * 2 * length,
    )


CONV_2D = Family("CONV_2D", OptionsReader(1, _read), check, lower)
