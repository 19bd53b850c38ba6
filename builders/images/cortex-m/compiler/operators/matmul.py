"""BATCH_MATMUL: products of the matrices in two tensors, whose other dimensions broadcast."""

from dataclasses import dataclass

from compiler.errors import Code
from compiler.fixed_point import single
from compiler.flatbuffer import Table
from compiler.graph import DType, Node
from compiler.layer import Layer
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.loops import Loop, contiguous_steps, merged, row_parameters
from compiler.operators.requantise import requantisation
from compiler.operators.rules import EXPORT_HINT, affine, multiplier, require_arity, require_shape, require_type

MAX_RANK = 5  # of the oracle
LARGEST_TERM = 255 * 255
MAX_DEPTH = (1 << 31) // LARGEST_TERM - 1  # a sum of more could leave 32 bits


@dataclass(frozen=True, slots=True)
class MatmulOptions:
    """BatchMatMulOptions of the schema: which of the two is transposed."""

    adjoint_x: bool
    adjoint_y: bool


def _read(table: Table) -> MatmulOptions:
    return MatmulOptions(adjoint_x=bool(table.integer(0, "B")), adjoint_y=bool(table.integer(1, "B")))


@dataclass(frozen=True, slots=True)
class _Matrix:
    """A tensor's matrices as they are multiplied: sizes and, in elements, steps down and along."""

    batches: tuple[int, ...]
    height: int
    width: int
    down: int
    along: int


def _matrix(shape: tuple[int, ...], *, transposed: bool) -> _Matrix:
    *batches, rows, columns = shape
    if transposed:
        return _Matrix(tuple(batches), columns, rows, 1, columns)
    return _Matrix(tuple(batches), rows, columns, columns, 1)


def _matrices(node: Node) -> tuple[_Matrix, _Matrix]:
    options = options_of(node, MatmulOptions)
    return (
        _matrix(node.input(0).shape, transposed=options.adjoint_x),
        _matrix(node.input(1).shape, transposed=options.adjoint_y),
    )


def _factor(node: Node) -> float:
    left, right = affine(node, node.input(0)), affine(node, node.input(1))
    # The oracle multiplies the scales in single precision.
    return single(left.scale * right.scale) / affine(node, node.output).scale


def check(node: Node) -> None:
    """Refuses everything but int8 matrices that can be multiplied, in tensors of up to five dimensions."""
    require_arity(node, 2, 2)
    for tensor in (node.input(0), node.input(1), node.output):
        require_type(node, tensor, DType.INT8)
    for tensor in (node.input(0), node.input(1)):
        if not 2 <= len(tensor.shape) <= MAX_RANK:
            raise node.refusal(
                Code.UNSUPPORTED_OPERATOR,
                f"{tensor.label} does not have 2 to {MAX_RANK} dimensions",
                "Reshape to fewer dimensions first.",
            )
    left, right = _matrices(node)
    rank = max(len(left.batches), len(right.batches))
    batches = [(1,) * (rank - len(each.batches)) + each.batches for each in (left, right)]
    fits = all(a == b or 1 in (a, b) for a, b in zip(*batches, strict=True))
    if left.width != right.height or not fits:
        raise node.refusal(
            Code.BAD_MODEL, f"{node.input(0).label} and {node.input(1).label} cannot be multiplied", EXPORT_HINT
        )
    if left.width > MAX_DEPTH:
        raise node.refusal(
            Code.UNSUPPORTED_OPERATOR, f"it adds up {left.width} products; at most {MAX_DEPTH} fit", "Use fewer."
        )
    require_shape(node, node.output, (*(max(pair) for pair in zip(*batches, strict=True)), left.height, right.width))
    multiplier(node, _factor(node))


def lower(node: Node) -> Layer:
    """The call of `tml_matmul`."""
    left, right = _matrices(node)
    target = affine(node, node.output)
    to, constants = requantisation(node, (_factor(node),), target, (-128, 127), left.width * LARGEST_TERM)
    return Layer(
        kernel="tml_matmul",
        struct="tml_matmul_layer",
        parameters=(
            *row_parameters(_walk(node, left, right)),
            ("height", left.height),
            ("depth", left.width),
            ("width", right.width),
            ("row_1", left.down),
            ("step_1", left.along),
            ("step_2", right.down),
            ("column_2", right.along),
            ("offset_1", -affine(node, node.input(0)).zero_point),
            ("offset_2", -affine(node, node.input(1)).zero_point),
            *to,
        ),
        constants=constants,
        inputs=(node.input(0), node.input(1)),
        output=node.output,
        header="tml_matmul.h",
    )


def _walk(node: Node, left: _Matrix, right: _Matrix) -> list[Loop]:
    """From matrix to matrix, in the output's order."""
    batches = node.output.shape[:-2]
    steps: list[list[int]] = []
    for each in (left, right):
        extended = (1,) * (len(batches) - len(each.batches)) + each.batches
        size = each.height * each.width
        steps.append(
            [0 if n == 1 else size * step for n, step in zip(extended, contiguous_steps(extended), strict=True)]
        )
    return merged([Loop(size, (one, other)) for size, one, other in zip(batches, *steps, strict=True)])


BATCH_MATMUL = Family("BATCH_MATMUL", OptionsReader(101, _read), check, lower)
