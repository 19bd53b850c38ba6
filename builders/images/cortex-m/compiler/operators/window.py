"""Parameters that convolutions and poolings share: a window that slides over the height and width of NHWC tensors."""

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.graph import Node
from compiler.layer import Below, Overlap
from compiler.operators.rules import Axis, padding, require_rank, require_shape, window_axis


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """The common part of Conv2DOptions, DepthwiseConv2DOptions and Pool2DOptions."""

    padding: int
    stride_width: int
    stride_height: int
    activation: int
    dilation_width: int = 1
    dilation_height: int = 1


def window(node: Node, options: WindowOptions, height: int, width: int, channels_out: int) -> tuple[Axis, Axis]:
    """Both axes of the window; refuses an output tensor of another shape than they give."""
    tensor = node.input(0)
    require_rank(node, tensor, 4)
    pad = padding(node, options.padding)
    rows = window_axis(node, tensor.shape[1], height, options.stride_height, options.dilation_height, pad)
    columns = window_axis(node, tensor.shape[2], width, options.stride_width, options.dilation_width, pad)
    require_shape(node, node.output, (tensor.shape[0], rows.size_out, columns.size_out, channels_out))
    return rows, columns


def window_parameters(node: Node, rows: Axis, columns: Axis) -> tuple[tuple[str, int | str], ...]:
    """The members of `struct tml_window`."""
    return (
        ("window.batches", node.input(0).shape[0]),
        ("window.in_height", rows.size_in),
        ("window.in_width", columns.size_in),
        ("window.in_channels", node.input(0).shape[3]),
        ("window.out_height", rows.size_out),
        ("window.out_width", columns.size_out),
        ("window.height", rows.window),
        ("window.width", columns.window),
        ("window.stride_height", rows.stride),
        ("window.stride_width", columns.stride),
        ("window.dilation_height", rows.dilation),
        ("window.dilation_width", columns.dilation),
        ("window.pad_top", rows.before),
        ("window.pad_left", columns.before),
    )


MAX_SCANNED = 1 << 16  # output pixels; the overlap of larger ones is not worked out


def _lowest_reads(rows: Axis, columns: Axis) -> Iterator[tuple[int, int]]:
    """For each output pixel, last to first: its number, and the lowest input pixel that it or a later one reads."""
    lowest = rows.size_in * columns.size_in
    for y in reversed(range(rows.size_out)):
        top = min(max(0, y * rows.stride - rows.before), rows.size_in)
        for x in reversed(range(columns.size_out)):
            left = min(max(0, x * columns.stride - columns.before), columns.size_in)
            lowest = min(lowest, top * columns.size_in + left)
            yield y * columns.size_out + x, lowest


def _extremes(batches: int) -> set[int]:
    """The distance is linear in the batch, apart from the first pixel of all: these have the largest."""
    return {0, min(1, batches - 1), batches - 1}


def gathered_overlap(node: Node, rows: Axis, columns: Axis, pixels: int) -> Overlap | None:
    """For kernels that read the windows of `pixels` outputs, then write these.

    All that a later block reads must lie above what was written.
    """
    batches, total = node.input(0).shape[0], rows.size_out * columns.size_out
    if total > MAX_SCANNED:
        return None
    size_in, size_out = node.input(0).shape[3], node.output.shape[3]
    image = rows.size_in * columns.size_in
    distance = -node.input(0).size
    for pixel, lowest in _lowest_reads(rows, columns):
        for batch in _extremes(batches):
            number = batch * total + pixel
            if number and (batches > 1 or number % pixels == 0):
                distance = max(distance, number * size_out - (batch * image + lowest) * size_in)
    return Below(distance)


def direct_overlap(node: Node, rows: Axis, columns: Axis) -> Overlap | None:
    """For kernels that write one pixel while they still read its window."""
    batches, total = node.input(0).shape[0], rows.size_out * columns.size_out
    if total > MAX_SCANNED:
        return None
    size_in, size_out = node.input(0).shape[3], node.output.shape[3]
    image = rows.size_in * columns.size_in
    distance = -node.input(0).size
    for pixel, lowest in _lowest_reads(rows, columns):
        for batch in _extremes(batches):
            distance = max(distance, (batch * total + pixel + 1) * size_out - (batch * image + lowest) * size_in)
    return Below(distance)
