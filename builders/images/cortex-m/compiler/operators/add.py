"""ADD: both inputs are brought to twice the larger scale, added, and brought to the output's scale."""

from dataclasses import dataclass

from compiler.errors import Code
from compiler.flatbuffer import Table
from compiler.graph import DType, Node
from compiler.layer import IN_PLACE, Layer
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.requantise import requantisation
from compiler.operators.rules import EXPORT_HINT, activation_range, affine, multiplier, require_arity, require_type

LEFT_SHIFT = 20  # headroom that both inputs are scaled up by before the rounding multiplications
RANK = 4
LARGEST_TERM = 255 << (LEFT_SHIFT - 1)  # an input that was scaled up and halved, at the most


@dataclass(frozen=True, slots=True)
class AddOptions:
    """AddOptions of the schema."""

    activation: int


def _read(table: Table) -> AddOptions:
    return AddOptions(activation=table.integer(0, "b"))


def _extended(node: Node, shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) > RANK:
        raise node.refusal(
            Code.UNSUPPORTED_OPERATOR,
            f"it adds tensors of {len(shape)} dimensions; {RANK} are supported",
            "Reshape first.",
        )
    return (1,) * (RANK - len(shape)) + shape


def _strides(node: Node, shape: tuple[int, ...], out: tuple[int, ...]) -> tuple[int, ...]:
    """Elements to step along each dimension of the output; 0 where the input is repeated."""
    strides: list[int] = []
    step = 1
    for size, wanted in zip(reversed(shape), reversed(out), strict=True):
        if size not in (1, wanted):
            raise node.refusal(Code.BAD_MODEL, f"the shapes {shape} and {out} do not broadcast", EXPORT_HINT)
        strides.append(step if size == wanted else 0)
        step *= size
    return tuple(reversed(strides))


def _factors(node: Node) -> tuple[float, float, float]:
    left, right, target = (affine(node, tensor) for tensor in (node.input(0), node.input(1), node.output))
    twice = 2 * max(left.scale, right.scale)
    output = twice / ((1 << LEFT_SHIFT) * target.scale)
    if output >= 1:
        raise node.refusal(
            Code.BAD_MODEL, f"its output scale {target.scale:g} is too small for its inputs", EXPORT_HINT
        )
    return left.scale / twice, right.scale / twice, output


def check(node: Node) -> None:
    """Refuses everything but int8 addition of shapes that broadcast."""
    require_arity(node, 2, 2)
    out = _extended(node, node.output.shape)
    for tensor in (node.input(0), node.input(1), node.output):
        require_type(node, tensor, DType.INT8)
    shapes = [_extended(node, node.input(position).shape) for position in (0, 1)]
    if out != tuple(max(pair) for pair in zip(*shapes, strict=True)):
        raise node.refusal(Code.BAD_MODEL, f"{node.output.label} is not the sum of its inputs' shapes", EXPORT_HINT)
    for shape in shapes:
        _strides(node, shape, out)
    _factors(node)
    activation_range(node, options_of(node, AddOptions).activation, affine(node, node.output))


def lower(node: Node) -> Layer:
    """The call of `tml_add` (equal shapes) or `tml_add_broadcast`."""
    left, right, target = (affine(node, tensor) for tensor in (node.input(0), node.input(1), node.output))
    factors = _factors(node)
    to, constants = requantisation(
        node,
        factors[2:],
        target,
        activation_range(node, options_of(node, AddOptions).activation, target),
        2 * LARGEST_TERM,
    )
    parameters: list[tuple[str, int | str]] = [("offset_1", -left.zero_point), ("offset_2", -right.zero_point), *to]
    for name, factor in zip(("1", "2"), factors[:2], strict=True):
        value, shift = multiplier(node, factor)
        # Halving what was shifted left is exact: no rounding takes part.
        parameters += [(f"multiplier_{name}", value), (f"shift_{name}", shift), (f"halves_{name}", int(factor == 0.5))]
    out = _extended(node, node.output.shape)
    same = node.input(0).elements == node.input(1).elements == node.output.elements
    if same:
        parameters.append(("count", node.output.elements))
    else:
        for position in (0, 1):
            strides = _strides(node, _extended(node, node.input(position).shape), out)
            parameters += [(f"strides_{position + 1}[{axis}]", step) for axis, step in enumerate(strides)]
        parameters += [(f"sizes[{axis}]", size) for axis, size in enumerate(out)]
    # An input that no dimension repeats is read once, in the output's order.
    whole = tuple(IN_PLACE if node.input(position).elements == node.output.elements else None for position in (0, 1))
    return Layer(
        kernel="tml_add" if same else "tml_add_broadcast",
        struct="tml_add_layer",
        parameters=tuple(parameters),
        constants=constants,
        inputs=(node.input(0), node.input(1)),
        output=node.output,
        header="tml_add.h",
        overlaps=whole,
    )


ADD = Family("ADD", OptionsReader(11, _read), check, lower)
