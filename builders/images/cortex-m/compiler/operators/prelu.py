"""PRELU: negative inputs are multiplied by a constant alpha, which is repeated along dimensions of size 1."""

from compiler.errors import Code
from compiler.fixed_point import rescale, table_of_int8
from compiler.graph import DType, Node
from compiler.layer import IN_PLACE, Constant, Layer
from compiler.operators.family import Family
from compiler.operators.lookup import lookup_layer
from compiler.operators.rules import (
    EXPORT_HINT,
    affine,
    constant,
    multiplier,
    require_arity,
    require_shape,
    require_type,
)

RANK = 4


def _factors(node: Node) -> tuple[tuple[int, int], tuple[int, int]]:
    """Of inputs that are not negative, and of an input times alpha."""
    source, alpha, target = (affine(node, tensor) for tensor in (node.input(0), node.input(1), node.output))
    return (
        multiplier(node, source.scale / target.scale),
        multiplier(node, source.scale * alpha.scale / target.scale),
    )


def _strides(node: Node) -> tuple[int, ...]:
    """Elements of alpha to step along each of four dimensions of the input."""
    shape, wanted = node.input(1).shape, node.input(0).shape
    fits = len(shape) <= len(wanted) and all(
        size in (1, whole) for size, whole in zip(reversed(shape), reversed(wanted), strict=False)
    )
    if not fits:
        raise node.refusal(
            Code.BAD_MODEL, f"{node.input(1).label} is not repeated to {node.input(0).label}", EXPORT_HINT
        )
    strides: list[int] = []
    step = 1
    for size in reversed((1,) * (RANK - len(shape)) + shape):
        strides.append(step if size > 1 else 0)
        step *= size
    return tuple(reversed(strides))


def check(node: Node) -> None:
    """Refuses everything but int8 with a constant alpha and at most four dimensions."""
    require_arity(node, 2, 2)
    alpha, _ = constant(node, 1)
    for tensor in (node.input(0), alpha, node.output):
        require_type(node, tensor, DType.INT8)
    require_shape(node, node.output, node.input(0).shape)
    if len(node.output.shape) > RANK:
        raise node.refusal(
            Code.UNSUPPORTED_OPERATOR,
            f"{node.output.label} has more than {RANK} dimensions",
            "Reshape it to four dimensions first.",
        )
    _strides(node)
    _factors(node)


def lower(node: Node) -> Layer:
    """The call of `tml_lookup` where one alpha serves all, else of `tml_prelu`."""
    source, scale, target = (affine(node, tensor) for tensor in (node.input(0), node.input(1), node.output))
    positive, negative = _factors(node)
    _, data = constant(node, 1)
    alphas = [value - scale.zero_point for value in data.cast("b")]
    if len(set(alphas)) == 1:

        def output(stored: int) -> int:
            value = stored - source.zero_point
            scaled = rescale(value, *positive) if value >= 0 else rescale(value * alphas[0], *negative)
            return scaled + target.zero_point

        return lookup_layer(node, table_of_int8(output))
    sizes = (1,) * (RANK - len(node.output.shape)) + node.output.shape
    return Layer(
        kernel="tml_prelu",
        struct="tml_prelu_layer",
        parameters=(
            *((f"sizes[{axis}]", size) for axis, size in enumerate(sizes)),
            *((f"strides[{axis}]", step) for axis, step in enumerate(_strides(node))),
            ("input_offset", -source.zero_point),
            ("output_offset", target.zero_point),
            ("multiplier", positive[0]),
            ("shift", positive[1]),
            ("alpha_multiplier", negative[0]),
            ("alpha_shift", negative[1]),
        ),
        constants=(Constant("alphas", "int16_t", alphas),),
        inputs=(node.input(0),),
        output=node.output,
        overlaps=(IN_PLACE,),
    )


PRELU = Family("PRELU", None, check, lower)
