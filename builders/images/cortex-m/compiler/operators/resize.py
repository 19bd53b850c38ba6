"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR of height and width, in the oracle's steps of float32 and of 2**-10."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor
from struct import pack, unpack

from compiler.errors import Code
from compiler.fixed_point import round_half_away
from compiler.flatbuffer import Table
from compiler.graph import DType, Node
from compiler.layer import Below, Constant, Layer, Overlap
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.rules import constant, require_arity, require_rank, require_shape, require_type
from compiler.operators.window import MAX_SCANNED

MAX_SIDE = 32767  # of a height or width: kernels hold indexes in 16 bits, positions in 32
ONE = 1 << 10  # of a bilinear position


@dataclass(frozen=True, slots=True)
class ResizeOptions:
    """ResizeNearestNeighborOptions and ResizeBilinearOptions of the schema."""

    align_corners: bool
    half_pixel_centers: bool


def _reader(slot: int) -> Callable[[Table], ResizeOptions]:
    def read(table: Table) -> ResizeOptions:
        return ResizeOptions(bool(table.integer(slot, "B")), bool(table.integer(slot + 1, "B")))

    return read


def _check(node: Node) -> None:
    require_arity(node, 2, 2)
    source, target = node.input(0), node.output
    for tensor in (source, target):
        require_type(node, tensor, DType.INT8)
        require_rank(node, tensor, 4)
        if max(tensor.shape[1:3]) > MAX_SIDE:
            raise node.refusal(
                Code.UNSUPPORTED_OPERATOR, f"{tensor.label} is larger than {MAX_SIDE} pixels", "Use a smaller image."
            )
    size, data = constant(node, 1)
    require_type(node, size, DType.INT32)
    require_shape(node, size, (2,))
    require_shape(node, target, (source.shape[0], *unpack("<2i", data), source.shape[3]))


def _float32(value: float) -> float:
    (single,) = unpack("<f", pack("<f", value))
    return float(single)


def nearest_indexes(size_in: int, size_out: int, options: ResizeOptions) -> list[int]:
    """Which input row or column each output row or column repeats."""
    corners = options.align_corners and size_out > 1
    scale = _float32((size_in - 1) / (size_out - 1) if corners else size_in / size_out)
    centre = 0.5 if options.half_pixel_centers else 0.0
    positions = [_float32(_float32(index + centre) * scale) for index in range(size_out)]
    to_index: Callable[[float], int] = round_half_away if options.align_corners else floor
    return [min(to_index(position), size_in - 1) for position in positions]


def _nearest(node: Node) -> tuple[list[int], list[int]]:
    options = options_of(node, ResizeOptions)
    pairs = zip(node.input(0).shape[1:3], node.output.shape[1:3], strict=True)
    rows, columns = (nearest_indexes(size_in, size_out, options) for size_in, size_out in pairs)
    return rows, columns


def lower_nearest(node: Node) -> Layer:
    """The call of `tml_resize_nearest`, or no code where every pixel stays."""
    source, target = node.input(0), node.output
    rows, columns = _nearest(node)
    if source.shape == target.shape and _stays(rows) and _stays(columns) and source.data is None:
        return Layer(None, "", (), (), (source,), target)
    return Layer(
        kernel="tml_resize_nearest",
        struct="tml_nearest_layer",
        parameters=_sizes(node),
        constants=(Constant("rows", "int16_t", rows), Constant("columns", "int16_t", columns)),
        inputs=(source,),
        output=target,
        header="tml_resize.h",
        overlaps=(_overlap(node, rows, columns, 0),),
    )


@dataclass(frozen=True, slots=True)
class _Positions:
    """Where output row or column n lies in the input, in units of 1 / ONE: `scale * n + offset`."""

    scale: int
    offset: int

    def lowest(self, size_out: int) -> list[int]:
        """The first input row or column that each output row or column is mixed from."""
        return [max(0, (self.scale * index + self.offset) // ONE) for index in range(size_out)]


def _positions(size_in: int, size_out: int, options: ResizeOptions) -> _Positions:
    scale = (ONE * size_in + size_out // 2) // size_out
    if options.align_corners and size_out > 1:
        scale = (ONE * (size_in - 1) + (size_out - 1) // 2) // (size_out - 1)
    return _Positions(scale, scale // 2 - ONE // 2 if options.half_pixel_centers else 0)


def _bilinear(node: Node) -> tuple[_Positions, _Positions]:
    options = options_of(node, ResizeOptions)
    pairs = zip(node.input(0).shape[1:3], node.output.shape[1:3], strict=True)
    rows, columns = (_positions(size_in, size_out, options) for size_in, size_out in pairs)
    return rows, columns


def check_bilinear(node: Node) -> None:
    """Refuses everything but int8 images to a constant size, and what the oracle would read from outside its input."""
    _check(node)
    options = options_of(node, ResizeOptions)
    if options.align_corners and options.half_pixel_centers:
        raise node.refusal(
            Code.UNSUPPORTED_OPERATOR,
            f"align_corners and half_pixel_centers together, for {node.output.label}, are not supported",
            "Use one of them.",
        )
    for axis, positions in zip((1, 2), _bilinear(node), strict=True):
        if positions.lowest(node.output.shape[axis])[-1] >= node.input(0).shape[axis]:
            raise node.refusal(
                Code.UNSUPPORTED_OPERATOR,
                f"from {node.input(0).label} to {node.output.label} its steps of 1/{ONE} pixel lead out of the input",
                "Enlarge in several steps.",
            )


def lower_bilinear(node: Node) -> Layer:
    """The call of `tml_resize_bilinear`, or no code where every pixel stays."""
    source, target = node.input(0), node.output
    rows, columns = _bilinear(node)
    if source.shape == target.shape and rows == columns == _Positions(ONE, 0) and source.data is None:
        return Layer(None, "", (), (), (source,), target)
    return Layer(
        kernel="tml_resize_bilinear",
        struct="tml_bilinear_layer",
        parameters=(
            *_sizes(node),
            ("row_scale", rows.scale),
            ("row_offset", rows.offset),
            ("column_scale", columns.scale),
            ("column_offset", columns.offset),
        ),
        constants=(),
        inputs=(source,),
        output=target,
        header="tml_resize.h",
        overlaps=(_overlap(node, rows.lowest(target.shape[1]), columns.lowest(target.shape[2]), 1),),
    )


def _stays(indexes: Sequence[int]) -> bool:
    return list(indexes) == list(range(len(indexes)))


def _sizes(node: Node) -> tuple[tuple[str, int | str], ...]:
    batches, height, width, channels = node.input(0).shape
    _, out_height, out_width, _ = node.output.shape
    return (
        ("size.batches", batches),
        ("size.in_height", height),
        ("size.in_width", width),
        ("size.channels", channels),
        ("size.out_height", out_height),
        ("size.out_width", out_width),
    )


def _overlap(node: Node, rows: Sequence[int], columns: Sequence[int], ahead: int) -> Overlap | None:
    """How far the output must stay below the input: rows and columns are the lowest that each output pixel reads.

    `ahead` pixels are written before the kernel has read all that it needs of the next.
    """
    batches, height, width, channels = node.input(0).shape
    total = len(rows) * len(columns)
    if total > MAX_SCANNED:
        return None
    lowest = height * width
    distance = -height * width
    last = (batches - 1) * (total - height * width)  # the distance grows or shrinks evenly from batch to batch
    for pixel in reversed(range(total)):
        lowest = min(lowest, rows[pixel // len(columns)] * width + columns[pixel % len(columns)])
        distance = max(distance, pixel + ahead - lowest)
    return Below((distance + max(0, last)) * channels)


RESIZE_NEAREST_NEIGHBOR = Family("RESIZE_NEAREST_NEIGHBOR", OptionsReader(74, _reader(0)), _check, lower_nearest)
RESIZE_BILINEAR = Family("RESIZE_BILINEAR", OptionsReader(15, _reader(2)), check_bilinear, lower_bilinear)
