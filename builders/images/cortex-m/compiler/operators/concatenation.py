"""CONCATENATION and PACK: tensors beside each other; no copy where the plan has them computed there."""

from dataclasses import dataclass
from itertools import accumulate
from math import prod

from compiler.errors import Code
from compiler.flatbuffer import Table
from compiler.graph import DType, Node, Tensor
from compiler.layer import Constant, Layer
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.rules import EXPORT_HINT, affine, axis_of, require_shape, require_type

MAX_INPUTS = 10  # of the oracle


@dataclass(frozen=True, slots=True)
class ConcatenationOptions:
    """ConcatenationOptions of the schema."""

    axis: int
    activation: int


def _read(table: Table) -> ConcatenationOptions:
    return ConcatenationOptions(axis=table.integer(0, "i"), activation=table.integer(1, "b"))


@dataclass(frozen=True, slots=True)
class PackOptions:
    """PackOptions of the schema."""

    parts: int
    axis: int


def _read_pack(table: Table) -> PackOptions:
    return PackOptions(parts=table.integer(0, "i"), axis=table.integer(1, "i"))


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


def _inputs(node: Node) -> tuple[Tensor, ...]:
    return tuple(node.input(position) for position in range(len(node.inputs)))


def check_concatenation(node: Node) -> None:
    """Refuses everything but up to ten int8 inputs that differ in one dimension and share the output's quantisation."""
    if not node.inputs or len(node.outputs) != 1:
        raise node.refusal(
            Code.BAD_MODEL, f"it has {len(node.inputs)} inputs and {len(node.outputs)} outputs", EXPORT_HINT
        )
    if len(node.inputs) > MAX_INPUTS:
        raise node.refusal(
            Code.UNSUPPORTED_OPERATOR,
            f"it puts {len(node.inputs)} inputs into {node.output.label}; {MAX_INPUTS} are supported",
            "Concatenate in several steps.",
        )
    options = options_of(node, ConcatenationOptions)
    if options.activation:
        raise node.refusal(
            Code.UNSUPPORTED_OPERATOR,
            f"its fused activation {options.activation}, which makes {node.output.label}, is not supported",
            "Put the activation before the concatenation.",
        )
    target, quantisation = node.output, affine(node, node.output)
    axis = axis_of(node, target, options.axis)
    inputs = _inputs(node)
    for tensor in (*inputs, target):
        require_type(node, tensor, DType.INT8)
        if affine(node, tensor) != quantisation:
            raise node.refusal(
                Code.UNSUPPORTED_TYPE,
                f"{tensor.label} is quantised otherwise than {target.label}",
                "Quantise the inputs of a concatenation alike, as the TensorFlow Lite converter does.",
            )
        if len(tensor.shape) != len(target.shape) or _without(tensor.shape, axis) != _without(target.shape, axis):
            raise node.refusal(
                Code.BAD_MODEL, f"{tensor.label} and {target.label} differ in more than dimension {axis}", EXPORT_HINT
            )
    if sum(tensor.shape[axis] for tensor in inputs) != target.shape[axis]:
        raise node.refusal(
            Code.BAD_MODEL, f"{target.label} is not as long along dimension {axis} as its inputs together", EXPORT_HINT
        )


def check_pack(node: Node) -> None:
    """Refuses everything but int8 inputs of one shape; their bytes are copied, whatever their quantisations are."""
    options = options_of(node, PackOptions)
    if not node.inputs or len(node.inputs) != options.parts or len(node.outputs) != 1:
        raise node.refusal(
            Code.BAD_MODEL,
            f"it has {len(node.inputs)} inputs for {options.parts} parts and {len(node.outputs)} outputs",
            EXPORT_HINT,
        )
    target, inputs = node.output, _inputs(node)
    axis = axis_of(node, target, options.axis)
    for tensor in (*inputs, target):
        require_type(node, tensor, DType.INT8)
    for tensor in inputs:
        require_shape(node, tensor, _without(target.shape, axis))
    require_shape(node, target, (*target.shape[:axis], options.parts, *target.shape[axis + 1 :]))


def lower_concatenation(node: Node) -> Layer:
    """The call of `tml_concatenate`, or no code for a single input."""
    return _joined(node, axis_of(node, node.output, options_of(node, ConcatenationOptions).axis))


def lower_pack(node: Node) -> Layer:
    """The call of `tml_concatenate`, or no code for a single input."""
    return _joined(node, axis_of(node, node.output, options_of(node, PackOptions).axis))


def _joined(node: Node, axis: int) -> Layer:
    inputs = _inputs(node)
    if len(inputs) == 1 and inputs[0].data is None:
        return Layer(None, "", (), (), inputs, node.output)
    rows = prod(node.output.shape[:axis])
    widths = [tensor.elements // rows for tensor in inputs]
    begins = [0, *accumulate(widths)][:-1]
    return Layer(
        kernel="tml_concatenate",
        struct="tml_concatenate_layer",
        parameters=(("rows", rows), ("parts", len(inputs)), ("row_bytes", node.output.elements // rows)),
        constants=(Constant("widths", "int32_t", widths),),
        inputs=inputs,
        output=node.output,
        header="tml_move.h",
        slots=tuple(begins) if rows == 1 else (),
        input_array=True,
    )


CONCATENATION = Family("CONCATENATION", OptionsReader(10, _read), check_concatenation, lower_concatenation)
PACK = Family("PACK", OptionsReader(59, _read_pack), check_pack, lower_pack)
