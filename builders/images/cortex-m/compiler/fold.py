"""Between the passes: computes the shape arithmetic that a free batch dimension leaves behind, once and for all.

A model exported without a batch size finds out its shapes as it runs: SHAPE of a tensor, one number of it by
STRIDED_SLICE, put together with constants by PACK, for a RESHAPE. All shapes of the file are fixed, so that these are
vectors of constants. What cannot be computed is left as it is, for the next pass to refuse.
"""

from collections.abc import Callable
from dataclasses import replace
from math import prod
from struct import pack, unpack

from compiler.graph import DType, Graph, Node, Tensor
from compiler.operators.family import options_of
from compiler.operators.strided_slice import StridedSliceOptions, slices_of

MAX_NUMBERS = 64
_INT32 = range(-(1 << 31), 1 << 31)

Numbers = tuple[int, ...]


def fold(graph: Graph) -> Graph:
    """The graph without the operators that compute int32 numbers from constants and shapes."""
    known: dict[int, Tensor] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        inputs = tuple(known.get(tensor.index, tensor) if tensor is not None else None for tensor in node.inputs)
        found = _folded(replace(node, inputs=inputs))
        if found is None:
            nodes.append(replace(node, inputs=inputs))
        else:
            known[found.index] = found
    return replace(graph, nodes=tuple(nodes))


def _folded(node: Node) -> Tensor | None:
    """The one output as a constant; None where it is no short vector of numbers that are known."""
    compute = _RULES.get(node.kind)
    if compute is None or len(node.outputs) != 1:
        return None
    target = node.output
    if target.dtype is not DType.INT32 or target.data is not None or len(target.shape) > 1:
        return None
    numbers = compute(node)
    if numbers is None or len(numbers) != target.elements or not all(number in _INT32 for number in numbers):
        return None
    return replace(target, data=memoryview(pack(f"<{len(numbers)}i", *numbers)))


def _numbers(tensor: Tensor | None) -> Numbers | None:
    if tensor is None or tensor.data is None or tensor.dtype is not DType.INT32:
        return None
    if len(tensor.shape) > 1 or tensor.elements > MAX_NUMBERS:
        return None
    found: Numbers = unpack(f"<{tensor.elements}i", tensor.data)
    return found


def _operands(node: Node, *, fewest: int = 1) -> list[Numbers] | None:
    """The numbers of every input, all of them known."""
    found = [numbers for tensor in node.inputs if (numbers := _numbers(tensor)) is not None]
    return found if len(found) == len(node.inputs) and len(found) >= fewest else None


def _shape(node: Node) -> Numbers | None:
    tensor = node.inputs[0] if node.inputs else None
    return tensor.shape if tensor is not None and all(size > 0 for size in tensor.shape) else None


def _slice(node: Node) -> Numbers | None:
    operands = _operands(node)
    if operands is None or len(operands) != 4 or len(node.input(0).shape) != 1:
        return None
    options = options_of(node, StridedSliceOptions)
    if options.ellipsis_mask or options.new_axis_mask or options.offset:
        return None
    (part,) = slices_of(node)
    return tuple(operands[0][part.begin + index * part.stride] for index in range(part.size))


def _together(node: Node) -> Numbers | None:
    operands = _operands(node)
    return None if operands is None else tuple(number for numbers in operands for number in numbers)


def _first(node: Node) -> Numbers | None:
    return _numbers(node.inputs[0]) if node.inputs else None


def _product(node: Node) -> Numbers | None:
    numbers = _first(node)
    return None if numbers is None else (prod(numbers),)


def _gather(node: Node) -> Numbers | None:
    operands = _operands(node, fewest=2)
    if operands is None:
        return None
    numbers, indexes = operands[:2]
    return tuple(numbers[index] for index in indexes) if all(0 <= i < len(numbers) for i in indexes) else None


def _each(compute: Callable[[int, int], int]) -> Callable[[Node], Numbers | None]:
    def computed(node: Node) -> Numbers | None:
        operands = _operands(node, fewest=2)
        if operands is None or len(operands) != 2:
            return None
        one, other = (numbers * (max(map(len, operands)) if len(numbers) == 1 else 1) for numbers in operands)
        return tuple(map(compute, one, other)) if len(one) == len(other) else None

    return computed


_RULES: dict[str, Callable[[Node], Numbers | None]] = {
    "SHAPE": _shape,
    "STRIDED_SLICE": _slice,
    "PACK": _together,
    "CONCATENATION": _together,
    "RESHAPE": _first,
    "EXPAND_DIMS": _first,
    "SQUEEZE": _first,
    "GATHER": _gather,
    "REDUCE_PROD": _product,
    "ADD": _each(lambda one, other: one + other),
    "SUB": _each(lambda one, other: one - other),
    "MUL": _each(lambda one, other: one * other),
}
