"""SPLIT: equal parts of a tensor; no copy where each part lies together."""

from dataclasses import dataclass
from math import prod
from struct import unpack

from compiler.errors import Code
from compiler.flatbuffer import Table
from compiler.graph import DType, Node
from compiler.layer import Layer
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.rules import EXPORT_HINT, axis_of, constant, require_shape, require_type


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """SplitOptions of the schema."""

    parts: int


def _read(table: Table) -> SplitOptions:
    return SplitOptions(parts=table.integer(0, "i"))


def _axis(node: Node) -> int:
    tensor, data = constant(node, 0)
    require_type(node, tensor, DType.INT32)
    if tensor.elements != 1:
        raise node.refusal(Code.BAD_MODEL, f"{tensor.label} should hold one dimension", EXPORT_HINT)
    (axis,) = unpack("<i", data)
    return axis_of(node, node.input(1), axis)


def check(node: Node) -> None:
    """Refuses everything but int8 in equal parts along a constant dimension."""
    parts = options_of(node, SplitOptions).parts
    if len(node.inputs) != 2 or not node.outputs or len(node.outputs) != parts:
        raise node.refusal(
            Code.BAD_MODEL,
            f"it has {len(node.inputs)} inputs and {len(node.outputs)} outputs for {parts} parts",
            EXPORT_HINT,
        )
    source, axis = node.input(1), _axis(node)
    if source.shape[axis] % parts:
        raise node.refusal(
            Code.BAD_MODEL, f"{source.label} has no {parts} equal parts along dimension {axis}", EXPORT_HINT
        )
    for tensor in (source, *node.outputs):
        require_type(node, tensor, DType.INT8)
    for tensor in node.outputs:
        require_shape(node, tensor, (*source.shape[:axis], source.shape[axis] // parts, *source.shape[axis + 1 :]))


def lower(node: Node) -> Layer:
    """The call of `tml_split`, or no code."""
    source = node.input(1)
    rows = prod(source.shape[: _axis(node)])
    width = node.output.elements // rows
    first, *others = node.outputs
    if source.data is None and (rows == 1 or not others):
        offsets = tuple(part * width for part in range(len(node.outputs)))
        return Layer(None, "", (), (), (source,), first, more_outputs=tuple(others), offsets=offsets)
    return Layer(
        kernel="tml_split",
        struct="tml_split_layer",
        parameters=(("rows", rows), ("parts", len(node.outputs)), ("width", width)),
        constants=(),
        inputs=(source,),
        output=first,
        header="tml_move.h",
        more_outputs=tuple(others),
        output_array=True,
    )


SPLIT = Family("SPLIT", OptionsReader(35, _read), check, lower)
