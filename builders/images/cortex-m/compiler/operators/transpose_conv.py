"""TRANSPOSE_CONV: one convolution of stride 1 for each phase of the output, with every stride-th tap of the filters."""

from array import array
from dataclasses import dataclass

from compiler.errors import Code
from compiler.flatbuffer import Table
from compiler.graph import DType, Node
from compiler.layer import Constant, Layer
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.filters import even, paired
from compiler.operators.requantise import folded_bias, largest_sum, requantisation
from compiler.operators.rules import (
    EXPORT_HINT,
    Axis,
    activation_range,
    affine,
    biases,
    constant,
    padding,
    require_arity,
    require_rank,
    require_type,
    weight_scales,
    window_axis,
)

FILTERS, SOURCE, BIASES = 1, 2, 3  # operands; the first states the output's shape, which the file stores as well
MAX_PHASES = 256


@dataclass(frozen=True, slots=True)
class TransposeConvOptions:
    """TransposeConvOptions of the schema."""

    padding: int
    stride_width: int
    stride_height: int
    activation: int


def _read(table: Table) -> TransposeConvOptions:
    return TransposeConvOptions(
        padding=table.integer(0, "b"),
        stride_width=table.integer(1, "i"),
        stride_height=table.integer(2, "i"),
        activation=table.integer(3, "b"),
    )


def _geometry(node: Node) -> tuple[Axis, Axis]:
    """The axes of the convolution that would give the input from the output."""
    options = options_of(node, TransposeConvOptions)
    channels, height, width, depth = node.input(FILTERS).shape
    batches, out_height, out_width, out_channels = node.output.shape
    source = node.input(SOURCE)
    if (source.shape[0], source.shape[3], channels) != (batches, depth, out_channels):
        raise node.refusal(
            Code.BAD_MODEL,
            f"{source.label} and {node.input(FILTERS).label} do not give {node.output.label}",
            EXPORT_HINT,
        )
    pad = padding(node, options.padding)
    return (
        window_axis(node, out_height, height, options.stride_height, 1, pad),
        window_axis(node, out_width, width, options.stride_width, 1, pad),
    )


def check(node: Node) -> None:
    """Refuses everything but int8 with constant filters."""
    require_arity(node, 3, 4)
    constant(node, FILTERS)
    for tensor in (node.input(FILTERS), node.input(SOURCE), node.output):
        require_type(node, tensor, DType.INT8)
        require_rank(node, tensor, 4)
    rows, columns = _geometry(node)
    if rows.stride * columns.stride > MAX_PHASES:
        raise node.refusal(
            Code.UNSUPPORTED_OPERATOR,
            f"its strides are {rows.stride} and {columns.stride}; their product is at most {MAX_PHASES}",
            "Use smaller strides.",
        )
    biases(node, BIASES, node.output.shape[3])
    affine(node, node.input(SOURCE))
    weight_scales(node, node.input(FILTERS), 0)
    activation_range(node, options_of(node, TransposeConvOptions).activation, affine(node, node.output))


def taps(axis: Axis, phase: int) -> list[int]:
    """The taps that reach output positions at which `position + before` is `phase` past a multiple of the stride.

    In the order of the inputs that they multiply: the last tap meets the first input.
    """
    return list(range(phase, axis.window, axis.stride))[::-1]


def _phase(data: memoryview, shape: tuple[int, ...], rows: list[int], columns: list[int]) -> list["array[int]"]:
    """Each filter with these rows and columns alone."""
    channels, height, width, depth = shape
    filters: list[array[int]] = []
    for channel in range(channels):
        chosen = array("b")
        for row in rows:
            for column in columns:
                at = ((channel * height + row) * width + column) * depth
                chosen.frombytes(data[at : at + depth])
        filters.append(chosen)
    return filters


def lower(node: Node) -> Layer:
    """The call of `tml_transpose_conv`."""
    rows, columns = _geometry(node)
    weights, data = constant(node, FILTERS)
    source, target = affine(node, node.input(SOURCE)), affine(node, node.output)
    channels, depth = weights.shape[0], weights.shape[3]
    bias = biases(node, BIASES, channels)
    parameters, constants = requantisation(
        node,
        [source.scale * scale / target.scale for scale in weight_scales(node, weights, 0)],
        target,
        activation_range(node, options_of(node, TransposeConvOptions).activation, target),
        largest_sum(bias, weights.elements // channels),
    )
    packed, folded, starts = array("b"), list[int](), list[int]()
    for row in range(rows.stride):
        for column in range(columns.stride):
            filters = _phase(data, weights.shape, taps(rows, row), taps(columns, column))
            starts.append(len(packed))
            packed += paired(filters)
            folded += even(folded_bias(bias, filters, source))
    window = len(taps(rows, 0)) * len(taps(columns, 0)) * depth  # the first phase has the most taps
    return Layer(
        kernel="tml_transpose_conv",
        struct="tml_transpose_conv_layer",
        parameters=(
            ("batches", node.output.shape[0]),
            ("in_height", node.input(SOURCE).shape[1]),
            ("in_width", node.input(SOURCE).shape[2]),
            ("in_channels", depth),
            ("out_height", rows.size_in),
            ("out_width", columns.size_in),
            ("out_channels", channels),
            ("height", rows.window),
            ("width", columns.window),
            ("stride_height", rows.stride),
            ("stride_width", columns.stride),
            ("pad_top", rows.before),
            ("pad_left", columns.before),
            ("input_zero", source.zero_point),
            *parameters,
        ),
        constants=(
            Constant("weights", "int8_t", packed or array("b", [0])),
            Constant("starts", "int32_t", starts),
            Constant("bias", "int32_t", folded),
            *constants,
        ),
        inputs=(node.input(SOURCE),),
        output=node.output,
        scratch_bytes=window,
        header="tml_transpose_conv.h",
    )


TRANSPOSE_CONV = Family("TRANSPOSE_CONV", OptionsReader(49, _read), check, lower)
