"""Synthetic int8 networks for bench/calibrate.py: layers of the shapes that models for microcontrollers have."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "unit" / "compiler"))

from random_chains import random_chain
from random_layers import LAYERS as RANDOM_LAYERS
from random_layers import lstm, transpose_conv
from random_operators import RandomGraph, binary, concatenation, pad, resize, split, strided_slice, transpose
from tflite_writer import WrittenOperator, WrittenTensor, write_model

SIDES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 48)
CHANNELS = (1, 2, 3, 4, 5, 8, 10, 12, 16, 20, 24, 32, 40, 64, 96, 128, 192)
WINDOWS = ((1, 1), (1, 1), (3, 3), (3, 3), (3, 3), (5, 5), (3, 1), (1, 5), (2, 2), (10, 4), (4, 4), (7, 1))
KINDS = (
    ("CONV_2D",) * 6 + ("DEPTHWISE_CONV_2D",) * 4 + ("AVERAGE_POOL_2D", "MAX_POOL_2D", "ADD", "LOGISTIC", "QUANTIZE")
)
DEPTHS = (1, 1, 2, 3, 4, 6, 8, 10, 13, 16, 16, 24, 32, 64, 128, 200)
MAX_MACS = 3_000_000  # of a layer: what one boot in QEMU runs in well under a second
MAX_ACTIVATION = 200_000
LAYERS = 6
TWICE = 2
SAME_SHAPE = 0.6  # how often both operands have it
SIDE_BY_SIDE_ELEMENTS = 2500  # of an input: all inputs and outputs of such a network are in memory at once
MAX_CLASSES = 4095  # of SOFTMAX
RELU = 1


class _Network:
    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.tensors: list[WrittenTensor] = []
        self.operators: list[WrittenOperator] = []

    def activation(self, shape: list[int], scale: float | None = None, zero_point: int | None = None) -> int:
        scale = float(np.float32(self.rng.uniform(0.02, 0.1))) if scale is None else scale
        zero_point = int(self.rng.choice([-128, -128, -128, 3, -7])) if zero_point is None else zero_point
        self.tensors.append(WrittenTensor(shape, "int8", [scale], [zero_point]))
        return len(self.tensors) - 1

    def like(self, source: int, shape: list[int]) -> int:
        tensor = self.tensors[source]
        return self.activation(shape, tensor.scales[0], tensor.zero_points[0])

    def filters(self, source: int, shape: list[int], axis: int) -> list[int]:
        channels = shape[axis]
        count = channels if self.rng.random() < (0.3 if len(shape) == 2 else 0.7) else 1
        scales = [float(np.float32(each)) for each in self.rng.uniform(0.001, 0.01, count)]
        data = self.rng.integers(-127, 128, shape).astype(np.int8)
        self.tensors.append(WrittenTensor(shape, "int8", scales, [0] * count, axis, data))
        scales = [self.tensors[source].scales[0] * scale for scale in scales]
        data = self.rng.integers(-9000, 9000, channels).astype(np.int32)
        self.tensors.append(WrittenTensor([channels], "int32", scales, [0] * count, 0, data))
        return [source, len(self.tensors) - 2, len(self.tensors) - 1]

    def operator(self, kind: str, operands: list[int], target: int, **options: int) -> int:
        self.operators.append(WrittenOperator(kind, operands, [target], options))
        return target

    def window(self, source: int, kind: str) -> int | None:
        """One layer with a window, or None where the one that was drawn is too large."""
        _, height, width, channels = self.tensors[source].shape
        rows, columns = WINDOWS[self.rng.integers(len(WINDOWS))]
        if "POOL" in kind:
            rows, columns = min(rows + 1, height), min(columns + 1, width)
        stride, same = int(self.rng.choice([1, 1, 2])), self.rng.random() < 0.75
        if not same and (rows > height or columns > width):
            return None
        sizes = (-(-height // stride), -(-width // stride))
        if not same:
            sizes = (-(-(height - rows + 1) // stride), -(-(width - columns + 1) // stride))
        out = [1, *sizes, int(self.rng.choice(CHANNELS)) if kind == "CONV_2D" else channels]
        macs = int(np.prod(out)) * rows * columns * (channels if kind == "CONV_2D" else 1)
        if macs > MAX_MACS or np.prod(out) > MAX_ACTIVATION:
            return None
        options = {"StrideW": stride, "StrideH": stride, "Padding": 0 if same else 1}
        options["FusedActivationFunction"] = int(self.rng.choice([RELU, RELU, 0]))
        if "POOL" in kind:
            options |= {"FilterWidth": columns, "FilterHeight": rows}
            return self.operator(kind, [source], self.like(source, out), **options)
        shape = [out[3], rows, columns, channels] if kind == "CONV_2D" else [1, rows, columns, channels]
        if kind == "DEPTHWISE_CONV_2D":
            options["DepthMultiplier"] = 1
        operands = self.filters(source, shape, 0 if kind == "CONV_2D" else 3)
        return self.operator(kind, operands, self.activation(out), **options)

    def layer(self, source: int, kind: str) -> int | None:
        shape = list(self.tensors[source].shape)
        if kind == "ADD":
            return self.operator(kind, [source, source], self.activation(shape), FusedActivationFunction=0)
        if kind == "QUANTIZE":
            return self.operator(kind, [source], self.activation(shape))
        if kind == "LOGISTIC":
            return self.operator(kind, [source], self.activation(shape, 1 / 256, -128))
        return self.window(source, kind)

    def head(self, source: int) -> int:
        """MEAN or a reshape, then dense layers and SOFTMAX."""
        shape = self.tensors[source].shape
        flat = self.like(source, [1, int(np.prod(shape))])
        if self.rng.random() < 0.4:
            axes = np.array([1, 2], np.int32)
            self.tensors.append(WrittenTensor([2], "int32", data=axes))
            flat = self.operator("MEAN", [source, len(self.tensors) - 1], self.like(source, [1, shape[3]]), KeepDims=0)
        else:
            self.operator("RESHAPE", [source], flat)
        last = flat
        for _ in range(int(self.rng.integers(1, 4))):
            units = int(self.rng.choice([2, 3, 4, 7, 10, 12, 16, 64, 128, 256]))
            depth = self.tensors[last].shape[1]
            if depth * units > MAX_MACS // 3:
                break
            operands = self.filters(last, [units, depth], 0)
            last = self.operator("FULLY_CONNECTED", operands, self.activation([1, units]), FusedActivationFunction=0)
        shape = list(self.tensors[last].shape)
        if shape[1] > MAX_CLASSES:
            return last
        return self.operator("SOFTMAX", [last], self.activation(shape, 1 / 256, -128), Beta=1)


def _another(graph: RandomGraph, kind: str, source: int, axis: int) -> None:
    """A layer of the input and of others: as large, or constants that broadcast."""
    shape, rng = list(graph.tensors[source].shape), graph.rng
    if kind == "CONCATENATION":
        others = [graph.tensor(shape, graph.tensors[source]) for _ in range(int(rng.integers(1, 4)))]
        graph.inputs += others
        concatenation(graph, [source, *others], axis)
        return
    if rng.random() < SAME_SHAPE:
        graph.inputs.append(other := graph.tensor(shape))
    else:
        shape = [size if rng.random() < 0.5 else 1 for size in shape][int(rng.integers(0, 4)) :]
        other = graph.tensor(shape, data=graph.values(shape))
    binary(graph, kind, source, other)


def _split(graph: RandomGraph, _: str, source: int, axis: int) -> None:
    parts = [count for count in (2, 3, 4, 5, 8) if graph.tensors[source].shape[axis] % count == 0]
    split(graph, source, axis, int(graph.rng.choice(parts or [1])))


def _transpose(graph: RandomGraph, _kind: str, source: int, _axis: int) -> None:
    transpose(graph, source, [0, *(int(each) for each in graph.rng.permutation([1, 2, 3]))])


def _random_layer(graph: RandomGraph, kind: str, source: int, _: int) -> None:
    RANDOM_LAYERS[kind](graph, kind, source)


RARE: dict[str, Callable[[RandomGraph, str, int, int], object]] = {
    **dict.fromkeys(("MUL", "MAXIMUM", "MINIMUM"), _another),
    "PAD": lambda graph, kind, source, _: pad(graph, kind, source, kept=1),
    "CONCATENATION": _another,
    "SPLIT": _split,
    "STRIDED_SLICE": lambda graph, _kind, source, _axis: strided_slice(graph, source),
    "TRANSPOSE": _transpose,
    "RESIZE_NEAREST_NEIGHBOR": lambda graph, kind, source, _: resize(graph, kind, source),
    "RESIZE_BILINEAR": lambda graph, kind, source, _: resize(graph, kind, source),
    "PRELU": _random_layer,
    "TRANSPOSE_CONV": lambda graph, kind, source, _: transpose_conv(graph, kind, source, 24),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": lambda graph, kind, source, _: lstm(graph, kind, source, 40),
    "READ_VARIABLE": _random_layer,
    "DEQUANTIZE": _random_layer,
}
"""Layers that usual networks have few of, by operator: of a graph, the operator, its input and a dimension."""


def _beside(graph: RandomGraph, kind: str) -> None:
    """One layer of a kind on an input of its own; what it makes is the network's output."""
    rng = graph.rng
    sides = [int(side) for side in rng.choice(SIDES[:9], 2)]
    shape = [1, *sides, int(rng.choice([each for each in CHANNELS if each * np.prod(sides) <= SIDE_BY_SIDE_ELEMENTS]))]
    if kind == "UNIDIRECTIONAL_SEQUENCE_LSTM":
        shape[1:3] = [1, int(rng.integers(1, 25))]
    graph.inputs.append(source := graph.tensor(shape))
    axis = int(rng.integers(1, 4))
    begun = len(graph.operators)
    RARE[kind](graph, kind, source, axis)
    made = [index for operator in graph.operators[begun:] for index in operator.outputs]
    read = {index for operator in graph.operators for index in operator.inputs}
    graph.outputs += [index for index in made if index not in read]


def _side_by_side(seed: int) -> bytes:
    """Layers of the kinds that usual networks have few of."""
    graph = RandomGraph(np.random.default_rng(seed))
    for kind in [*RARE] * TWICE:
        _beside(graph, kind)
    return graph.write()


def network(seed: int) -> bytes:
    """A network that is a pure function of its seed.

    Of each five, one holds rare operators side by side; of the four others, one has the shapes of the compiler's tests
    (and so every operator that these draw), one is dense.
    """
    if seed % 5 == 4:
        return _side_by_side(seed)
    seed -= seed // 5
    if seed % 4 == 2:
        return random_chain(seed)[0]
    net = _Network(seed)
    if seed % 4 == 3:
        last = first = net.activation([1, int(net.rng.choice(DEPTHS))])
        for _ in range(int(net.rng.integers(2, 6))):
            shape = [int(net.rng.choice(DEPTHS)), net.tensors[last].shape[1]]
            target = net.activation([1, shape[0]])
            last = net.operator(
                "FULLY_CONNECTED",
                net.filters(last, shape, 0),
                target,
                FusedActivationFunction=int(net.rng.choice([0, RELU])),
            )
        return write_model(net.tensors, net.operators, [first], [last])
    side = [int(net.rng.choice(SIDES)) for _ in range(2)]
    last = net.activation([1, *side, int(net.rng.choice(CHANNELS[:10]))])
    made = 0
    for _ in range(20 * LAYERS):
        target = net.layer(last, str(net.rng.choice(KINDS)))
        if target is not None:
            last, made = target, made + 1
        if made == LAYERS:
            break
    return write_model(net.tensors, net.operators, [0], [net.head(last)])
