"""DEPTHWISE_CONV_2D: every input channel has `multiplier` filters of its own."""

from array import array
from dataclasses import dataclass, replace

from compiler.errors import Code
from compiler.flatbuffer import Table
from compiler.graph import DType, Node
from compiler.layer import Constant, Layer, Overlap, Same
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.requantise import folded_bias, largest_sum, requantisation
from compiler.operators.rules import (
    EXPORT_HINT,
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
from compiler.operators.window import WindowOptions, direct_overlap, window, window_parameters

PLANE_BYTES = 8192  # of scratch, at the most
PLANE_WORDS = 24  # TML_PLANE_WORDS of kernels/tml_depthwise.h


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
    """The call of `tml_depthwise_plane` where one channel fits its scratch, or of `tml_depthwise_taps`."""
    rows, columns = _geometry(node)
    weights, data = constant(node, 1)
    source, target = affine(node, node.input(0)), affine(node, node.output)
    channels = weights.shape[3]
    times = channels // node.input(0).shape[3]
    elements = weights.shape[1] * weights.shape[2]
    bias = biases(node, 2, channels)
    filters = array("b", bytes(data))
    parameters, constants = requantisation(
        node,
        [source.scale * scale / target.scale for scale in weight_scales(node, weights, 3)],
        target,
        activation_range(node, options_of(node, WindowOptions).activation, target),
        largest_sum(bias, elements),
    )
    if columns.size_in == columns.size_out == columns.window == 1 and columns.before == 0:
        rows, columns = columns, rows  # one column is the same bytes as one row
    plane = _plane(rows, columns) if times == 1 else None
    scratch = 2 * plane.height * plane.width if plane is not None else 0
    overlap: Overlap | None = Same() if plane is not None else direct_overlap(node, rows, columns)
    if plane is not None:
        bias = tuple(folded_bias(bias, [filters[channel::channels] for channel in range(channels)], source))
        blank = array("b", bytes(channels * (2 * plane.pairs + 1 - columns.window)))
        line = channels * columns.window
        filters = sum(
            (filters[start : start + line] + blank for start in range(0, len(filters), line)), start=array("b")
        )
        columns = replace(columns, window=2 * plane.pairs + 1)
    return Layer(
        kernel="tml_depthwise_taps" if plane is None else "tml_depthwise_plane",
        struct="tml_depthwise",
        parameters=(
            *window_parameters(node, rows, columns),
            ("out_channels", channels),
            ("channel_multiplier", times),
            ("input_zero", source.zero_point),
            *(
                ()
                if plane is None
                else (("plane_height", plane.height), ("plane_width", plane.width), ("pairs", plane.pairs))
            ),
            *parameters,
        ),
        constants=(
            Constant("weights", "int8_t", filters),
            Constant("bias", "int32_t", bias),
            *constants,
        ),
        inputs=(node.input(0),),
        output=node.output,
        scratch_bytes=scratch,
        header="tml_depthwise.h",
        overlaps=(overlap,),
    )


@dataclass(frozen=True, slots=True)
class _Plane:
    """One channel with its padding, in elements; the window's width is 2 * pairs + 1."""

    height: int
    width: int
    pairs: int


def _plane(rows: Axis, columns: Axis) -> _Plane | None:
    """The scratch of `tml_depthwise_plane`, or None where the kernel does not serve."""
    pairs = columns.window // 2
    # Rows of a plane begin at even elements, and an even window is widened to the next odd one.
    served = rows.dilation == columns.dilation == 1 and columns.stride in (1, 2) and pairs >= 1
    height = (rows.size_out - 1) * rows.stride + rows.window
    width = (columns.size_out - 1) * columns.stride + 2 * pairs + 2
    plane = _Plane(height, width + width % 2, pairs)
    fits = 2 * plane.height * plane.width <= PLANE_BYTES and rows.window * 2 * pairs <= PLANE_WORDS
    return plane if served and fits else None


DEPTHWISE_CONV_2D = Family("DEPTHWISE_CONV_2D", OptionsReader(2, _read), check, lower)
