"""Parameters that convolutions and poolings share: a window that slides over the height and width of NHWC tensors."""

from dataclasses import dataclass

from compiler.graph import Node
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
