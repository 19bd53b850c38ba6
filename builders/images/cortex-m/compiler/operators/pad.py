"""PAD and PADV2: bytes around a tensor, written in one pass from the first to the last; no copy without padding."""

from dataclasses import dataclass
from math import prod
from struct import unpack

from compiler.errors import Code
from compiler.graph import DType, Node, Tensor
from compiler.layer import Below, Layer
from compiler.operators.family import Family
from compiler.operators.rules import (
    EXPORT_HINT,
    affine,
    constant,
    require_arity,
    require_rank_up_to,
    require_shape,
    require_type,
)

MAX_RANK = 5  # of the oracle; TML_PAD_LOOPS of kernels/tml_move.h is one less


@dataclass(frozen=True, slots=True)
class _Side:
    """One dimension with what is put before and after it, in its own units."""

    size: int
    before: int
    after: int


def _sides(node: Node) -> list[_Side]:
    source = node.input(0)
    tensor, data = constant(node, 1)
    require_type(node, tensor, DType.INT32)
    require_shape(node, tensor, (len(source.shape), 2))
    numbers = unpack(f"<{2 * len(source.shape)}i", data)
    if any(number < 0 for number in numbers):
        raise node.refusal(Code.BAD_MODEL, f"{tensor.label} holds negative paddings", EXPORT_HINT)
    return [_Side(*side) for side in zip(source.shape, numbers[::2], numbers[1::2], strict=True)]


def _value(node: Node) -> int | Tensor:
    """The byte to pad with: zero in the output's quantisation, unless PADV2 has a tensor for it in that quantisation.

    Then what it holds, or the tensor where it is computed.
    """
    if node.kind == "PAD":
        return affine(node, node.output).zero_point
    tensor = node.input(2)
    require_type(node, tensor, DType.INT8)
    if tensor.elements != 1:
        raise node.refusal(Code.BAD_MODEL, f"{tensor.label} should hold one value", EXPORT_HINT)
    if affine(node, tensor) != affine(node, node.output):
        raise node.refusal(
            Code.UNSUPPORTED_TYPE,
            f"{tensor.label} is quantised otherwise than {node.output.label}",
            "Quantise the padding value like the output, as the TensorFlow Lite converter does.",
        )
    return tensor if tensor.data is None else tensor.data.cast("b")[0]


def check(node: Node) -> None:
    """Refuses everything but int8 with constant paddings of up to five dimensions."""
    arity = 2 if node.kind == "PAD" else 3
    require_arity(node, arity, arity)
    source = node.input(0)
    for tensor in (source, node.output):
        require_type(node, tensor, DType.INT8)
    require_rank_up_to(node, source, MAX_RANK)
    _value(node)
    require_shape(node, node.output, tuple(side.before + side.size + side.after for side in _sides(node)))


def _merged(sides: list[_Side]) -> list[_Side]:
    """The same with each dimension that has no padding counted into the one around it; bytes are the last's units."""
    found: list[_Side] = []
    for side in sides:
        if found and side.before == side.after == 0:
            outer = found.pop()
            found.append(_Side(outer.size * side.size, outer.before * side.size, outer.after * side.size))
        elif found and found[-1] == _Side(1, 0, 0):
            found[-1] = side
        else:
            found.append(side)
    return found or [_Side(1, 0, 0)]


def lower(node: Node) -> Layer:
    """The call of `tml_pad`, or of `tml_pad_computed` where the value is, or no code."""
    source, target = node.input(0), node.output
    if source.elements == target.elements and source.data is None:
        return Layer(None, "", (), (), (source,), target)
    sides = _merged(_sides(node))
    padded = [side.before + side.size + side.after for side in sides]
    units = [prod(padded[level + 1 :]) for level in range(len(sides))]
    before = [side.before * unit for side, unit in zip(sides, units, strict=True)]
    after = [side.after * unit for side, unit in zip(sides, units, strict=True)]
    # What lies between two blocks when a loop turns: all loops inside it end and begin again.
    gaps = [sum(after[level + 1 :]) + sum(before[level + 1 :]) for level in range(len(sides) - 1)]
    lead, trail = sum(before), sum(after)
    block = sides[-1].size
    loops = [side.size for side in sides[:-1]]
    value = _value(node)
    return Layer(
        kernel="tml_pad_computed" if isinstance(value, Tensor) else "tml_pad",
        struct="tml_pad_layer",
        parameters=(
            ("blocks", prod(loops)),
            ("loops", len(loops)),
            ("block", block),
            ("value", 0 if isinstance(value, Tensor) else value),
            ("lead", lead),
            ("trail", trail),
            *((f"sizes[{level}]", size) for level, size in enumerate(loops)),
            *((f"gaps[{level}]", gap) for level, gap in enumerate(gaps)),
        ),
        constants=(),
        inputs=(source, value) if isinstance(value, Tensor) else (source,),
        output=target,
        header="tml_move.h",
        # What was written before a block is read must lie below it: most of all before the last one.
        overlaps=(Below(target.size - trail - source.size),),
    )


PAD = Family("PAD", None, check, lower)
PADV2 = Family("PADV2", None, check, lower)
