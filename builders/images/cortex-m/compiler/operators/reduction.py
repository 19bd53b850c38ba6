"""What MEAN and REDUCE_MAX share: the dimensions that they reduce, and the input seen as [outer, count, inner]."""

from dataclasses import dataclass
from math import prod
from struct import unpack

from compiler.errors import Code
from compiler.flatbuffer import Table
from compiler.graph import DType, Node
from compiler.operators.family import OptionsReader, options_of
from compiler.operators.rules import EXPORT_HINT, affine, constant, require_arity, require_shape, require_type


@dataclass(frozen=True, slots=True)
class ReducerOptions:
    """ReducerOptions of the schema."""

    keep_dims: bool


def _read(table: Table) -> ReducerOptions:
    return ReducerOptions(keep_dims=bool(table.integer(0, "B")))


READER = OptionsReader(27, _read)


def _axes(node: Node) -> list[int]:
    tensor, data = constant(node, 1)
    require_type(node, tensor, DType.INT32)
    rank = len(node.input(0).shape)
    axes: set[int] = set()
    for axis in unpack(f"<{tensor.elements}i", data):
        if not -rank <= axis < rank:
            raise node.refusal(Code.BAD_MODEL, f"{node.input(0).label} has no dimension {axis}", EXPORT_HINT)
        axes.add(axis % rank)
    ordered = sorted(axes)
    if ordered != list(range(ordered[0], ordered[0] + len(ordered))):
        raise node.refusal(
            Code.UNSUPPORTED_OPERATOR,
            f"it reduces the dimensions {ordered}, which are not neighbours",
            "Reduce one dimension, or neighbours such as height and width.",
        )
    return ordered


def check_reduction(node: Node) -> None:
    """Refuses everything but int8 over neighbouring constant dimensions."""
    require_arity(node, 2, 2)
    for tensor in (node.input(0), node.output):
        require_type(node, tensor, DType.INT8)
        affine(node, tensor)
    axes = _axes(node)
    shape = node.input(0).shape
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    dropped = tuple(size for axis, size in enumerate(shape) if axis not in axes)
    require_shape(node, node.output, kept if options_of(node, ReducerOptions).keep_dims else dropped)


def reduced(node: Node) -> tuple[int, int, int]:
    """Elements before, in and after the dimensions that are reduced: outer, count, inner."""
    axes, shape = _axes(node), node.input(0).shape
    return prod(shape[: axes[0]]), prod(shape[axes[0] : axes[-1] + 1]), prod(shape[axes[-1] + 1 :])
