"""STRIDED_SLICE: from begin to end in strides along each dimension, with the masks that the oracle knows."""

from dataclasses import dataclass
from struct import unpack

from compiler.errors import Code
from compiler.flatbuffer import Table
from compiler.graph import DType, Node
from compiler.layer import Layer
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.gather import gather_layer
from compiler.operators.loops import contiguous_steps
from compiler.operators.rules import (
    EXPORT_HINT,
    constant,
    require_arity,
    require_rank_up_to,
    require_shape,
    require_type,
)

MAX_RANK = 4  # of the oracle
INPUTS = ("begin", "end", "strides")


@dataclass(frozen=True, slots=True)
class StridedSliceOptions:
    """StridedSliceOptions of the schema; bit n of a mask is for dimension n."""

    begin_mask: int
    end_mask: int
    ellipsis_mask: int
    new_axis_mask: int
    shrink_axis_mask: int
    offset: bool


def _read(table: Table) -> StridedSliceOptions:
    return StridedSliceOptions(
        begin_mask=table.integer(0, "i"),
        end_mask=table.integer(1, "i"),
        ellipsis_mask=table.integer(2, "i"),
        new_axis_mask=table.integer(3, "i"),
        shrink_axis_mask=table.integer(4, "i"),
        offset=bool(table.integer(5, "B")),
    )


@dataclass(frozen=True, slots=True)
class Slice:
    """The indexes `begin + n * stride` for n below `size` of one dimension, which is dropped where `shrinks`."""

    begin: int
    stride: int
    size: int
    shrinks: bool


def _numbers(node: Node, position: int) -> tuple[int, ...]:
    tensor, data = constant(node, position)
    require_type(node, tensor, DType.INT32)
    rank = len(node.input(0).shape)
    if tensor.shape != (rank,):
        raise node.refusal(
            Code.UNSUPPORTED_OPERATOR,
            f"its {INPUTS[position - 1]}, {tensor.label}, is not for all {rank} dimensions of {node.input(0).label}",
            "Give begin, end and strides for every dimension.",
        )
    numbers: tuple[int, ...] = unpack(f"<{rank}i", data)
    return numbers


def _within(index: int, size: int, stride: int) -> int:
    """An index as given, counted from the end where negative, limited to where a walk may begin or end."""
    index = index + size if index < 0 else index
    return min(max(index, 0), size) if stride > 0 else min(max(index, -1), size - 1)


def slices_of(node: Node) -> list[Slice]:
    """What is taken along each dimension."""
    options = options_of(node, StridedSliceOptions)
    begins, ends, strides = (_numbers(node, position) for position in (1, 2, 3))
    slices: list[Slice] = []
    for axis, size in enumerate(node.input(0).shape):
        stride = strides[axis]
        if stride == 0:
            raise node.refusal(Code.BAD_MODEL, f"its stride along dimension {axis} is 0", EXPORT_HINT)
        first, last = (0, size) if stride > 0 else (size - 1, -1)
        begin = first if options.begin_mask >> axis & 1 else _within(begins[axis], size, stride)
        end = last if options.end_mask >> axis & 1 else _within(ends[axis], size, stride)
        shrinks = bool(options.shrink_axis_mask >> axis & 1)
        count = 1 if shrinks else max(0, -(-(end - begin) // stride))
        # The oracle takes one element forward where it drops a dimension: backwards it copies nothing.
        if not (0 <= begin < size and count) or (shrinks and stride < 0):
            raise node.refusal(
                Code.BAD_MODEL,
                f"from {begins[axis]} to {ends[axis]} in strides of {stride} along dimension {axis}, it takes nothing "
                f"from {node.input(0).label}",
                EXPORT_HINT,
            )
        slices.append(Slice(begin, stride, count, shrinks))
    return slices


def check(node: Node) -> None:
    """Refuses everything but int8, constant numbers for each of up to four dimensions, and the masks of the oracle."""
    require_arity(node, 4, 4)
    for tensor in (node.input(0), node.output):
        require_type(node, tensor, DType.INT8)
    require_rank_up_to(node, node.input(0), MAX_RANK)
    options = options_of(node, StridedSliceOptions)
    for name, used in (
        ("ellipsis_mask", options.ellipsis_mask),
        ("new_axis_mask", options.new_axis_mask),
        ("offset", options.offset),
    ):
        if used:
            raise node.refusal(
                Code.UNSUPPORTED_OPERATOR,
                f"its {name}, which makes {node.output.label}, is not supported",
                "Slice with begin, end and strides for every dimension, and reshape afterwards.",
            )
    require_shape(node, node.output, tuple(part.size for part in slices_of(node) if not part.shrinks))


def lower(node: Node) -> Layer:
    """The call of `tml_copy_blocks`, or no code."""
    slices = slices_of(node)
    steps = contiguous_steps(node.input(0).shape)
    start = sum(part.begin * step for part, step in zip(slices, steps, strict=True))
    strides = [part.stride * step for part, step in zip(slices, steps, strict=True)]
    return gather_layer(node, node.input(0), [part.size for part in slices], strides, start)


STRIDED_SLICE = Family("STRIDED_SLICE", OptionsReader(32, _read), check, lower)
