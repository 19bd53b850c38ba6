"""SPLIT and UNPACK: equal parts of a tensor; no copy where each part lies together."""

from dataclasses import dataclass
from math import prod
from struct import unpack

from compiler.errors import Code
from compiler.flatbuffer import Table
from compiler.graph import DType, Node, Tensor
from compiler.layer import Layer
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.rules import EXPORT_HINT, axis_of, constant, require_shape, require_type


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """SplitOptions of the schema."""

    parts: int


@dataclass(frozen=True, slots=True)
class UnpackOptions:
    """UnpackOptions of the schema."""

    parts: int
    axis: int


def _read(table: Table) -> SplitOptions:
    return SplitOptions(parts=table.integer(0, "i"))


def _read_unpack(table: Table) -> UnpackOptions:
    return UnpackOptions(parts=table.integer(0, "i"), axis=table.integer(1, "i"))


def _axis(node: Node) -> int:
    tensor, data = constant(node, 0)
    require_type(node, tensor, DType.INT32)
    if tensor.elements != 1:
        raise node.refusal(Code.BAD_MODEL, f"{tensor.label} should hold one dimension", EXPORT_HINT)
    (axis,) = unpack("<i", data)
    return axis_of(node, node.input(1), axis)


def _check_parts(node: Node, inputs: int, parts: int) -> None:
    if len(node.inputs) != inputs or not node.outputs or len(node.outputs) != parts:
        raise node.refusal(
            Code.BAD_MODEL,
            f"it has {len(node.inputs)} inputs and {len(node.outputs)} outputs for {parts} parts",
            EXPORT_HINT,
        )


def _check_tensors(node: Node, source: Tensor, shape: tuple[int, ...]) -> None:
    for tensor in (source, *node.outputs):
        require_type(node, tensor, DType.INT8)
    for tensor in node.outputs:
        require_shape(node, tensor, shape)


def check_split(node: Node) -> None:
    """Refuses everything but int8 in equal parts along a constant dimension."""
    parts = options_of(node, SplitOptions).parts
    _check_parts(node, 2, parts)
    source, axis = node.input(1), _axis(node)
    if source.shape[axis] % parts:
        raise node.refusal(
            Code.BAD_MODEL, f"{source.label} has no {parts} equal parts along dimension {axis}", EXPORT_HINT
        )
    _check_tensors(node, source, (*source.shape[:axis], source.shape[axis] // parts, *source.shape[axis + 1 :]))


def check_unpack(node: Node) -> None:
    """Refuses everything but int8 in as many parts as the dimension has, which the parts do not have."""
    options = options_of(node, UnpackOptions)
    _check_parts(node, 1, options.parts)
    source = node.input(0)
    axis = axis_of(node, source, options.axis)
    if source.shape[axis] != options.parts:
        raise node.refusal(
            Code.BAD_MODEL, f"{source.label} does not have {options.parts} parts along dimension {axis}", EXPORT_HINT
        )
    _check_tensors(node, source, (*source.shape[:axis], *source.shape[axis + 1 :]))


def lower_split(node: Node) -> Layer:
    """The call of `tml_split`, or no code."""
    return _parts(node, node.input(1), _axis(node))


def lower_unpack(node: Node) -> Layer:
    """The call of `tml_split`, or no code."""
    return _parts(node, node.input(0), axis_of(node, node.input(0), options_of(node, UnpackOptions).axis))


def _parts(node: Node, source: Tensor, axis: int) -> Layer:
    rows = prod(source.shape[:axis])
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


SPLIT = Family("SPLIT", OptionsReader(35, _read), check_split, lower_split)
UNPACK = Family("UNPACK", OptionsReader(64, _read_unpack), check_unpack, lower_unpack)
