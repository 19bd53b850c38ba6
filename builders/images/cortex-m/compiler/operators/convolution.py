"""CONV_2D: the windows of four output pixels are gathered, and each pair of filters meets all of them."""

from compiler.errors import Code
from compiler.flatbuffer import Table
from compiler.graph import DType, Node
from compiler.layer import Constant, Layer
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.filters import GROUP, even, groups_of, paired, rows_of
from compiler.operators.requantise import folded_bias, largest_sum, requantisation
from compiler.operators.rules import (
    Axis,
    activation_range,
    affine,
    biases,
    constant,
    require_arity,
    require_rank,
    require_type,
    weight_scales,
)
from compiler.operators.window import WindowOptions, gathered_overlap, window, window_parameters

PIXELS = 4  # whose windows the kernel gathers before it writes their outputs


def _read(table: Table) -> WindowOptions:
    return WindowOptions(
        padding=table.integer(0, "b"),
        stride_width=table.integer(1, "i"),
        stride_height=table.integer(2, "i"),
        activation=table.integer(3, "b"),
        dilation_width=table.integer(4, "i", 1),
        dilation_height=table.integer(5, "i", 1),
    )


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
    channels = weights.shape[0]
    elements = weights.elements // channels
    bias = biases(node, 2, channels)
    filters = rows_of(data, channels)
    parameters, constants = requantisation(
        node,
        [source.scale * scale / target.scale for scale in weight_scales(node, weights, 0)],
        target,
        activation_range(node, options_of(node, WindowOptions).activation, target),
        largest_sum(bias, elements),
    )
    groups = groups_of(elements)
    return Layer(
        kernel="tml_conv_2d",
        struct="tml_conv",
        parameters=(
            *window_parameters(node, rows, columns),
            ("out_channels", channels),
            ("groups", groups),
            ("input_zero", source.zero_point),
            *parameters,
        ),
        constants=(
            Constant("weights", "int8_t", paired(filters)),
            Constant("bias", "int32_t", even(folded_bias(bias, filters, source))),
            *constants,
        ),
        inputs=(node.input(0),),
        output=node.output,
        scratch_bytes=(PIXELS * 2 + 1) * GROUP * groups,
        header="tml_conv.h",
        overlaps=(gathered_overlap(node, rows, columns, PIXELS),),
    )


CONV_2D = Family("CONV_2D", OptionsReader(1, _read), check, lower)
