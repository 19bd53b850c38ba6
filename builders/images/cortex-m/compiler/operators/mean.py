"""MEAN over neighbouring dimensions."""

from dataclasses import dataclass
from math import prod
from struct import unpack

from compiler.errors import Code
from compiler.flatbuffer import Table
from compiler.graph import DType, Node
from compiler.layer import IN_PLACE, Layer
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.rules import (
    EXPORT_HINT,
    affine,
    constant,
    multiplier,
    require_arity,
    require_shape,
    require_type,
)


@dataclass(frozen=True, slots=True)
class ReducerOptions:
    """ReducerOptions of the schema."""

    keep_dims: bool


def _read(table: Table) -> ReducerOptions:
    return ReducerOptions(keep_dims=bool(table.integer(0, "B")))


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


def check(node: Node) -> None:
    """Refuses everything but int8 means over neighbouring constant dimensions."""
    require_arity(node, 2, 2)
    for tensor in (node.input(0), node.output):
        require_type(node, tensor, DType.INT8)
        affine(node, tensor)
    multiplier(node, affine(node, node.input(0)).scale / affine(node, node.output).scale)
    axes = _axes(node)
    shape = node.input(0).shape
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    dropped = tuple(size for axis, size in enumerate(shape) if axis not in axes)
    require_shape(node, node.output, kept if options_of(node, ReducerOptions).keep_dims else dropped)


def lower(node: Node) -> Layer:
    """The call of `tml_mean` on [outer, count, inner]; 1/count is folded into the multiplier."""
    axes = _axes(node)
    shape = node.input(0).shape
    count = prod(shape[axes[0] : axes[-1] + 1])
    source, target = affine(node, node.input(0)), affine(node, node.output)
    factor, shift = multiplier(node, source.scale / target.scale)
    fold = min(count.bit_length() - 1, 32, 31 + shift)
    return Layer(
        kernel="tml_mean",
        struct="tml_mean_layer",
        parameters=(
            ("outer", prod(shape[: axes[0]])),
            ("count", count),
            ("inner", prod(shape[axes[-1] + 1 :])),
            ("input_offset", -source.zero_point),
            ("output_offset", target.zero_point),
            ("multiplier", (factor << fold) // count),
            ("shift", shift - fold),
        ),
        constants=(),
        inputs=(node.input(0),),
        output=node.output,
        overlaps=(IN_PLACE,),
    )


MEAN = Family("MEAN", OptionsReader(27, _read), check, lower)
