"""Random operators that combine or move tensors, one at a time, over every shape and option that the oracle accepts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from tflite_writer import WrittenGraph, WrittenOperator, WrittenTensor, write_model

BINARY = ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM")
RANKS = {"PAD": 5, "PADV2": 5, "TRANSPOSE": 5, "STRIDED_SLICE": 4, "SLICE": 5, "REVERSE_V2": 6}


@dataclass
class RandomGraph:
    """A model in the making."""

    rng: np.random.Generator
    tensors: list[WrittenTensor] = field(default_factory=list)
    operators: list[WrittenOperator] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    called: list[WrittenGraph] = field(default_factory=list)

    def tensor(self, shape: Sequence[int], like: WrittenTensor | None = None, data: np.ndarray | None = None) -> int:
        """An int8 tensor, quantised at random or like another."""
        if like is None:
            scale = float(np.float32(np.exp(self.rng.uniform(np.log(0.01), np.log(0.2)))))
            quantisation = ([scale], [int(self.rng.integers(-128, 128))])
        else:
            quantisation = (list(like.scales), list(like.zero_points))
        self.tensors.append(WrittenTensor(list(map(int, shape)), "int8", *quantisation, data=data))
        return len(self.tensors) - 1

    def source(self, shape: Sequence[int], like: WrittenTensor | None = None) -> int:
        """A graph input, or at times a constant."""
        if self.inputs and self.rng.random() < 0.2:
            return self.tensor(shape, like, self.values(shape))
        self.inputs.append(self.tensor(shape, like))
        return self.inputs[-1]

    def values(self, shape: Sequence[int]) -> np.ndarray:
        """Any int8 values."""
        return self.rng.integers(-128, 128, shape).astype(np.int8)

    def numbers(self, values: object) -> int:
        """An int32 constant."""
        data = np.array(values, np.int32)
        self.tensors.append(WrittenTensor(list(data.shape), "int32", data=data))
        return len(self.tensors) - 1

    def add(
        self, kind: str, operands: Sequence[int], shapes: Sequence[Sequence[int]], like: int, **options: int
    ) -> int:
        """An operator whose outputs are quantised like a tensor; returns the first of them."""
        targets = [self.tensor(shape, self.tensors[like]) for shape in shapes]
        self.operators.append(WrittenOperator(kind, operands, targets, options))
        return targets[0]

    def shape(self, rank: int, most: int = 6) -> list[int]:
        """Sizes from 1 on; 1 is frequent."""
        return [int(size) for size in np.maximum(1, self.rng.integers(-1, most + 1, rank))]

    def write(self) -> bytes:
        """The file."""
        return write_model(self.tensors, self.operators, self.inputs, self.outputs, called=self.called)


def binary(graph: RandomGraph, kind: str, left: int, right: int) -> int:
    """An operator of two shapes that broadcast."""
    one, other = graph.tensors[left], graph.tensors[right]
    shape = np.broadcast_shapes(tuple(one.shape), tuple(other.shape))
    if kind in ("MAXIMUM", "MINIMUM"):
        return graph.add(kind, [left, right], [shape], left)
    product = kind in ("MUL", "SQUARED_DIFFERENCE")
    spread = one.scales[0] * other.scales[0] * 60 if product else one.scales[0] + other.scales[0]
    scale = float(np.float32(spread * graph.rng.uniform(0.3, 2)))
    graph.tensors.append(WrittenTensor(list(shape), "int8", [scale], [int(graph.rng.integers(-128, 128))]))
    target = len(graph.tensors) - 1
    fused = int(graph.rng.integers(0, 4))
    options = {} if kind == "SQUARED_DIFFERENCE" else {"FusedActivationFunction": fused}
    graph.operators.append(WrittenOperator(kind, [left, right], [target], options))
    return target


def pad(graph: RandomGraph, kind: str, source: int, *, most: int = 3, kept: int = 0, value: int | None = None) -> int:
    """Padding before and after each dimension from `kept` on, zero in half of them, with a constant or `value`."""
    shape = graph.tensors[source].shape
    paddings = graph.rng.integers(0, most + 1, (len(shape), 2)) * graph.rng.integers(0, 2, (len(shape), 1))
    paddings[:kept] = 0
    operands = [source, graph.numbers(paddings)]
    if kind == "PADV2":
        operands.append(graph.tensor([1], graph.tensors[source], graph.values([1])) if value is None else value)
    return graph.add(kind, operands, [np.array(shape) + paddings.sum(axis=1)], source)


def concatenation(graph: RandomGraph, sources: Sequence[int], axis: int) -> int:
    """Side by side; the axis is written from the end at times."""
    shape = np.array(graph.tensors[sources[0]].shape)
    shape[axis] = sum(graph.tensors[source].shape[axis] for source in sources)
    written = axis - len(shape) * int(graph.rng.integers(0, 2))
    return graph.add("CONCATENATION", sources, [shape], sources[0], Axis=written)


def split(graph: RandomGraph, source: int, axis: int, parts: int) -> int:
    """Equal parts."""
    shape = np.array(graph.tensors[source].shape)
    shape[axis] //= parts
    written = axis - len(shape) * int(graph.rng.integers(0, 2))
    return graph.add("SPLIT", [graph.numbers(written), source], [shape] * parts, source, NumSplits=parts)


def strided_slice(graph: RandomGraph, source: int, *, shrink: bool = True) -> int:
    """Any begin, end and stride that takes something, forwards and backwards, with masks."""
    rng = graph.rng
    rows: list[list[int]] = []
    shape: list[int] = []
    masks = {"BeginMask": 0, "EndMask": 0, "ShrinkAxisMask": 0}
    for axis, size in enumerate(graph.tensors[source].shape):
        stride = int(rng.choice([-3, -2, -1, 1, 1, 1, 2, 3]))
        first = int(rng.integers(0, size))
        drops = shrink and rng.random() < 0.2
        if drops:
            stride = abs(stride)
            masks["ShrinkAxisMask"] |= 1 << axis
        last = int(rng.integers(first + 1, size + 1)) if stride > 0 else int(rng.integers(-1, first))
        begin = first - size * int(rng.integers(0, 2))
        # Counted from the end, -1 would be the last index: the end before the first is -size - 1.
        end = last - size if last < 0 or (last < size and rng.random() < 0.5) else last
        if not drops and rng.random() < 0.3:
            masks["BeginMask"] |= 1 << axis
            begin, first = int(rng.integers(-9, 9)), 0 if stride > 0 else size - 1
        if not drops and rng.random() < 0.3:
            masks["EndMask"] |= 1 << axis
            end, last = int(rng.integers(-9, 9)), size if stride > 0 else -1
        if (last - first) * stride <= 0:
            begin, end, stride, first, last = 0, size, 1, 0, size
        rows.append([begin, end, stride])
        if not drops:
            shape.append(-(-(last - first) // stride))
    operands = [source, *(graph.numbers(column) for column in zip(*rows, strict=True))]
    return graph.add("STRIDED_SLICE", operands, [shape], source, **masks)


def slice_(graph: RandomGraph, source: int) -> int:
    """So many from a beginning on; -1 is written at times for all that follow."""
    begins: list[int] = []
    taken: list[int] = []
    for size in graph.tensors[source].shape:
        begins.append(int(graph.rng.integers(0, size)))
        taken.append(int(graph.rng.integers(1, size - begins[-1] + 1)))
    written = [
        -1 if begin + count == size and graph.rng.random() < 0.5 else count
        for begin, count, size in zip(begins, taken, graph.tensors[source].shape, strict=True)
    ]
    return graph.add("SLICE", [source, graph.numbers(begins), graph.numbers(written)], [taken], source)


def reverse(graph: RandomGraph, source: int) -> int:
    """One dimension backwards; it is written from the end at times."""
    shape = graph.tensors[source].shape
    axis = int(graph.rng.integers(-len(shape), len(shape)))
    return graph.add("REVERSE_V2", [source, graph.numbers([axis])], [shape], source)


def transpose(graph: RandomGraph, source: int, order: Sequence[int]) -> int:
    """Dimensions in another order."""
    shape = graph.tensors[source].shape
    return graph.add("TRANSPOSE", [source, graph.numbers(order)], [[shape[axis] for axis in order]], source)


def resize(graph: RandomGraph, kind: str, source: int, most: int = 12) -> int:
    """To any height and width."""
    batch, _, _, channels = graph.tensors[source].shape
    size = [int(side) for side in graph.rng.integers(1, most + 1, 2)]
    mode = int(graph.rng.integers(0, 3 if kind == "RESIZE_BILINEAR" else 4))
    options = {"AlignCorners": mode & 1, "HalfPixelCenters": mode >> 1}
    return graph.add(kind, [source, graph.numbers(size)], [[batch, *size, channels]], source, **options)


def _random_binary(graph: RandomGraph, kind: str) -> int:
    shape = graph.shape(int(graph.rng.integers(0, 7)), 4)
    shapes = [[size if graph.rng.random() < 0.7 else 1 for size in shape] for _ in range(2)]
    cut = int(graph.rng.integers(0, len(shape) + 1)) if graph.rng.random() < 0.4 else 0
    shapes[int(graph.rng.integers(0, 2))][:cut] = []
    return binary(graph, kind, graph.source(shapes[0]), graph.source(shapes[1]))


def _random_matmul(graph: RandomGraph, kind: str) -> int:
    """Of batches that broadcast, each matrix transposed at times."""
    height, depth, width = (int(size) for size in graph.rng.integers(1, 11, 3))
    batches = graph.shape(int(graph.rng.integers(0, 4)), 3)
    operands: list[int] = []
    options: dict[str, int] = {}
    for name, rows, columns in (("AdjX", height, depth), ("AdjY", depth, width)):
        mine = [size if graph.rng.random() < 0.7 else 1 for size in batches]
        cut = int(graph.rng.integers(0, len(mine) + 1)) if graph.rng.random() < 0.3 else 0
        options[name] = int(graph.rng.integers(0, 2))
        operands.append(graph.source([*mine[cut:], *((columns, rows) if options[name] else (rows, columns))]))
    shapes = [tuple(graph.tensors[operand].shape[:-2]) for operand in operands]
    scale = float(np.float32(np.prod([graph.tensors[operand].scales[0] for operand in operands]) * 3000))
    like = len(graph.tensors)
    graph.tensors.append(WrittenTensor([1], "int8", [scale], [int(graph.rng.integers(-128, 128))]))
    return graph.add(kind, operands, [[*np.broadcast_shapes(*shapes), height, width]], like, **options)


def _random_unary(graph: RandomGraph, kind: str) -> int:
    """Of int8, between any two quantisations; the oracle takes a root of what is not negative alone."""
    zero_point = -128 if kind == "RSQRT" else int(graph.rng.integers(-128, 128))
    scales = [float(np.float32(np.exp(graph.rng.uniform(np.log(0.01), np.log(0.2))))) for _ in range(2)]
    if kind == "ABS" and graph.rng.random() < 0.3:
        scales[1] = scales[0]
    places = []
    for scale, zero in zip(scales, (zero_point, int(graph.rng.integers(-128, 128))), strict=True):
        places.append(len(graph.tensors))
        graph.tensors.append(WrittenTensor([16, 16], "int8", [scale], [zero]))
    graph.inputs.append(places[0])
    graph.operators.append(WrittenOperator(kind, places[:1], places[1:]))
    return places[1]


def _random_concatenation(graph: RandomGraph, _: str) -> int:
    shape = graph.shape(int(graph.rng.integers(1, 7)), 4)
    axis = int(graph.rng.integers(0, len(shape)))
    first = graph.source(shape)
    sources = [first]
    for _ in range(int(graph.rng.integers(0, 10))):
        shape[axis] = int(graph.rng.integers(1, 5))
        sources.append(graph.source(shape, graph.tensors[first]) if graph.rng.random() < 0.8 else first)
    return concatenation(graph, sources, axis)


def _random_split(graph: RandomGraph, _: str) -> int:
    shape = graph.shape(int(graph.rng.integers(1, 7)), 4)
    axis, parts = int(graph.rng.integers(0, len(shape))), int(graph.rng.integers(1, 5))
    shape[axis] *= parts
    return split(graph, graph.source(shape), axis, parts)


def _random_move(graph: RandomGraph, kind: str) -> int:
    rank = int(graph.rng.integers(1, RANKS[kind] + 1))
    source = graph.source(graph.shape(rank, 4 if rank > 3 else 7))
    if kind == "STRIDED_SLICE":
        return strided_slice(graph, source)
    if kind == "SLICE":
        return slice_(graph, source)
    if kind == "REVERSE_V2":
        return reverse(graph, source)
    if kind == "TRANSPOSE":
        return transpose(graph, source, list(graph.rng.permutation(rank)))
    # The value of half of the PADV2 is an input, which is as good as computed.
    computed = kind == "PADV2" and graph.rng.random() < 0.5
    return pad(graph, kind, source, value=graph.source([1], graph.tensors[source]) if computed else None)


def _random_resize(graph: RandomGraph, kind: str) -> int:
    return resize(graph, kind, graph.source(graph.shape(4, 9)))


def _random_pack(graph: RandomGraph, _: str) -> int:
    """Quantised each in its own way: bytes are copied."""
    shape = graph.shape(int(graph.rng.integers(0, 6)), 4)
    sources = [graph.source(shape) for _ in range(int(graph.rng.integers(1, 13)))]
    axis = int(graph.rng.integers(0, len(shape) + 1))
    whole = [*shape[:axis], len(sources), *shape[axis:]]
    written = axis - len(whole) * int(graph.rng.integers(0, 2))
    return graph.add("PACK", sources, [whole], sources[0], ValuesCount=len(sources), Axis=written)


def _random_unpack(graph: RandomGraph, _: str) -> int:
    shape = graph.shape(int(graph.rng.integers(1, 7)), 5)
    axis = int(graph.rng.integers(0, len(shape)))
    part = [*shape[:axis], *shape[axis + 1 :]]
    source = graph.source(shape)
    written = axis - len(shape) * int(graph.rng.integers(0, 2))
    return graph.add("UNPACK", [source], [part] * shape[axis], source, Num=shape[axis], Axis=written)


def _random_rank(graph: RandomGraph, kind: str) -> int:
    """A dimension of size 1 more, or less; behind another operator, as an input has no other name."""
    shape = graph.shape(int(graph.rng.integers(0, 6)), 4)
    axis = int(graph.rng.integers(0, len(shape) + 1))
    longer = [*shape[:axis], 1, *shape[axis:]]
    source = graph.source(shape if kind == "EXPAND_DIMS" else longer)
    moved = binary(graph, "MAXIMUM", source, source)
    if kind == "EXPAND_DIMS":
        return graph.add(kind, [moved, graph.numbers(axis)], [longer], moved)
    return graph.add(kind, [moved], [shape], moved, SqueezeDims=[axis])


RANDOM: dict[str, Callable[[RandomGraph, str], int]] = {
    **dict.fromkeys(BINARY, _random_binary),
    "SQUARED_DIFFERENCE": _random_binary,
    **dict.fromkeys(RANKS, _random_move),
    "CONCATENATION": _random_concatenation,
    "BATCH_MATMUL": _random_matmul,
    "ABS": _random_unary,
    "RSQRT": _random_unary,
    "SPLIT": _random_split,
    "PACK": _random_pack,
    "UNPACK": _random_unpack,
    "EXPAND_DIMS": _random_rank,
    "SQUEEZE": _random_rank,
    "RESIZE_NEAREST_NEIGHBOR": _random_resize,
    "RESIZE_BILINEAR": _random_resize,
}


def random_operators(kind: str, seed: int, count: int) -> tuple[bytes, list[list[int]]]:
    """`count` operators of a kind side by side in one model, and the shapes of its inputs: a function of the seed."""
    graph = RandomGraph(np.random.default_rng(seed))
    for _ in range(count):
        RANDOM[kind](graph, kind)
        graph.outputs += graph.operators[-1].outputs
    return graph.write(), [list(graph.tensors[index].shape) for index in graph.inputs]
