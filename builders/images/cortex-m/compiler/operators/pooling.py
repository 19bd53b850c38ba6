"""AVERAGE_POOL_2D and MAX_POOL_2D."""

from dataclasses import dataclass

from compiler.flatbuffer import Table
from compiler.graph import DType, Node
from compiler.layer import Layer
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.rules import Axis, activation_range, affine, require_arity, require_rank, require_type
from compiler.operators.window import WindowOptions, direct_overlap, window, window_parameters


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """Pool2DOptions of the schema."""

    window: WindowOptions
    width: int
    height: int


def _read(table: Table) -> PoolOptions:
    return PoolOptions(
        window=WindowOptions(
            padding=table.integer(0, "b"),
            stride_width=table.integer(1, "i"),
            stride_height=table.integer(2, "i"),
            activation=table.integer(5, "b"),
        ),
        width=table.integer(3, "i"),
        height=table.integer(4, "i"),
    )


def _geometry(node: Node) -> tuple[Axis, Axis]:
    options = options_of(node, PoolOptions)
    return window(node, options.window, options.height, options.width, node.input(0).shape[3])


def check(node: Node) -> None:
    """Refuses everything but int8 pooling."""
    require_arity(node, 1, 1)
    for tensor in (node.input(0), node.output):
        require_type(node, tensor, DType.INT8)
        require_rank(node, tensor, 4)
    _geometry(node)
    activation_range(node, options_of(node, PoolOptions).window.activation, affine(node, node.output))


def _lower(node: Node, kernel: str) -> Layer:
    rows, columns = _geometry(node)
    low, high = activation_range(node, options_of(node, PoolOptions).window.activation, affine(node, node.output))
    return Layer(
        kernel=kernel,
        struct="tml_pool",
        parameters=(*window_parameters(node, rows, columns), ("low", low), ("high", high)),
        constants=(),
        inputs=(node.input(0),),
        output=node.output,
        header="tml_pool.h",
        overlaps=(direct_overlap(node, rows, columns),),
    )


def lower_average(node: Node) -> Layer:
    """The call of `tml_average_pool_2d`."""
    return _lower(node, "tml_average_pool_2d")


def lower_max(node: Node) -> Layer:
    """The call of `tml_max_pool_2d`."""
    return _lower(node, "tml_max_pool_2d")


AVERAGE_POOL_2D = Family("AVERAGE_POOL_2D", OptionsReader(5, _read), check, lower_average)
MAX_POOL_2D = Family("MAX_POOL_2D", OptionsReader(5, _read), check, lower_max)
