"""Random layers that go on from one int8 tensor [1, height, width, channels]: activations, recurrence, state."""

from collections.abc import Callable

import numpy as np
from random_operators import RandomGraph
from tflite_writer import WrittenGraph, WrittenOperator, WrittenTensor

FIXED = {"TANH": (1 / 128, 0), "LOGISTIC": (1 / 256, -128), "SOFTMAX": (1 / 256, -128)}
SAME_QUANTISATION = ("RELU6",)
MOST_ELEMENTS = 3000  # of what a transposed convolution may still enlarge
LSTM_STEPS = 40  # an LSTM over a larger image takes long, and shows nothing more


def scale(graph: RandomGraph, low: float, high: float) -> float:
    """A float32 between the two."""
    return float(np.float32(graph.rng.uniform(low, high)))


def append(graph: RandomGraph, tensor: WrittenTensor) -> int:
    """The tensor's number."""
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def like(graph: RandomGraph, source: int, kind: str) -> int:
    """A tensor of the same shape, quantised as the operator demands or near its source."""
    tensor = graph.tensors[source]
    if kind in SAME_QUANTISATION:
        return append(graph, WrittenTensor(tensor.shape, "int8", tensor.scales, tensor.zero_points))
    near = (float(np.float32(tensor.scales[0] * graph.rng.uniform(0.5, 2))), int(graph.rng.integers(-128, 128)))
    one, zero = FIXED.get(kind, near)
    return append(graph, WrittenTensor(tensor.shape, "int8", [one], [zero]))


def activation(graph: RandomGraph, kind: str, source: int) -> int:
    """Any operator of one input and one output of its shape."""
    options: dict[str, float] = {}
    if kind == "LEAKY_RELU":
        options = {"Alpha": float(graph.rng.choice([0.01, 0.2, 1.5]))}
    elif kind == "SOFTMAX":
        options = {"Beta": 1.0}
    target = like(graph, source, kind)
    graph.operators.append(WrittenOperator(kind, [source], [target], options))
    return target


def prelu(graph: RandomGraph, kind: str, source: int) -> int:
    """With one alpha, or one for each channel or element."""
    shape = list(graph.tensors[source].shape)
    shape = [[1], [1, 1, shape[3]], shape[1:]][int(graph.rng.integers(0, 3))]
    alpha = append(
        graph,
        WrittenTensor(shape, "int8", [scale(graph, 0.002, 0.01)], [int(graph.rng.integers(-9, 9))]),
    )
    graph.tensors[alpha] = WrittenTensor(
        shape, "int8", graph.tensors[alpha].scales, graph.tensors[alpha].zero_points, data=graph.values(shape)
    )
    target = like(graph, source, kind)
    graph.operators.append(WrittenOperator(kind, [source, alpha], [target]))
    return target


def mean(graph: RandomGraph, kind: str, source: int) -> int:
    """Over the image, which stays one pixel."""
    target = like(graph, source, kind)
    shape = [1, 1, 1, graph.tensors[source].shape[3]]
    graph.tensors[target] = WrittenTensor(
        shape, "int8", graph.tensors[target].scales, graph.tensors[target].zero_points
    )
    graph.operators.append(WrittenOperator(kind, [source, graph.numbers([1, 2])], [target], {"KeepDims": True}))
    return target


def through_float(graph: RandomGraph, _: str, source: int) -> int:
    """DEQUANTIZE, then QUANTIZE otherwise."""
    between = append(graph, WrittenTensor(graph.tensors[source].shape, "float32"))
    graph.operators.append(WrittenOperator("DEQUANTIZE", [source], [between]))
    target = like(graph, source, "QUANTIZE")
    graph.operators.append(WrittenOperator("QUANTIZE", [between], [target]))
    return target


def weights(graph: RandomGraph, shape: list[int], scales: list[float]) -> int:
    """An int8 constant, quantised along its first dimension or as a whole."""
    data = graph.rng.integers(-127, 128, shape).astype(np.int8)
    return append(graph, WrittenTensor(shape, "int8", scales, [0] * len(scales), 0, data))


def biases(graph: RandomGraph, count: int, scales: list[float], most: int) -> int:
    """An int32 constant."""
    data = graph.rng.integers(-most, most, count).astype(np.int32)
    return append(graph, WrittenTensor([count], "int32", scales, [0] * len(scales), 0, data))


def transpose_conv(graph: RandomGraph, kind: str, source: int, most_channels: int = 8) -> int:
    """A window of up to three, strides of up to two, every padding; or nothing, where the image is large already."""
    rng, tensor = graph.rng, graph.tensors[source]
    _, height, width, depth = tensor.shape
    if height * width * depth > MOST_ELEMENTS:
        return source
    channels = int(rng.integers(1, most_channels + 1))
    window, stride = rng.integers(1, 4, 2), rng.integers(1, 3, 2)
    padding = int(rng.integers(0, 2))
    sizes = [
        int(size * step + (max(reach - step, 0) if padding else 0))
        for size, step, reach in zip((height, width), stride, window, strict=True)
    ]
    scales = [scale(graph, 0.002, 0.02) for _ in range(channels if rng.random() < 0.5 else 1)]
    filters = weights(graph, [channels, *map(int, window), depth], scales)
    operands = [graph.numbers([1, *sizes, channels]), filters, source]
    if rng.random() < 0.5:
        operands.append(biases(graph, channels, [float(np.float32(tensor.scales[0] * one)) for one in scales], 9000))
    shape = [1, *sizes, channels]
    target = append(graph, WrittenTensor(shape, "int8", [scale(graph, 0.03, 0.2)], [int(rng.integers(-128, 128))]))
    options = {"Padding": padding, "StrideH": int(stride[0]), "StrideW": int(stride[1])}
    graph.operators.append(WrittenOperator(kind, operands, [target], options))
    return target


def lstm(graph: RandomGraph, kind: str, source: int, most_units: int = 8) -> int:
    """Over the pixels of the image, one after the other; or nothing, where there are too many."""
    tensor = graph.tensors[source]
    _, height, width, depth = tensor.shape
    if height * width > LSTM_STEPS:
        return source
    units = int(graph.rng.integers(1, most_units + 1))
    rows = WrittenTensor([1, height * width, depth], "int8", tensor.scales, tensor.zero_points)
    operands = [-1] * 24
    operands[0] = append(graph, rows)
    graph.operators.append(WrittenOperator("RESHAPE", [source], [operands[0]]))
    for position in range(1, 9):
        shape = [units, depth if position < 5 else units]
        operands[position] = weights(graph, shape, [scale(graph, 0.003, 0.02)])
    for position in range(12, 16):
        operands[position] = biases(graph, units, [1e-4], 3000)
    hidden = ([scale(graph, 0.005, 0.009)], [int(graph.rng.integers(-40, 40))])
    operands[18] = append(graph, WrittenTensor([1, units], "int8", *hidden, is_variable=True))
    power = int(graph.rng.integers(-15, -8))
    operands[19] = append(graph, WrittenTensor([1, units], "int16", [2.0**power], [0], is_variable=True))
    outputs = append(graph, WrittenTensor([1, height * width, units], "int8", *hidden))
    graph.operators.append(WrittenOperator(kind, operands, [outputs], {"FusedActivationFunction": 4}))
    target = append(graph, WrittenTensor([1, height, width, units], "int8", *hidden))
    graph.operators.append(WrittenOperator("RESHAPE", [outputs], [target]))
    return target


def remembered(graph: RandomGraph, _: str, source: int) -> int:
    """The sum of a tensor and of what a resource variable holds; the variable then takes the one or the other."""
    rng, tensor = graph.rng, graph.tensors[source]
    shape = tensor.shape
    total = append(
        graph,
        WrittenTensor(shape, "int8", [float(np.float32(1.7 * tensor.scales[0]))], [int(rng.integers(-128, 128))]),
    )
    kept = int(rng.choice([source, total]))
    quantisation = (graph.tensors[kept].scales, graph.tensors[kept].zero_points)
    handle, read = (
        append(graph, WrittenTensor([], "resource")),
        append(graph, WrittenTensor(shape, "int8", *quantisation)),
    )
    name = f"variable {len(graph.tensors)}"
    named = WrittenOperator("VAR_HANDLE", [], [handle], {"SharedName": name, "Container": ""})
    if rng.random() < 0.5:
        first = WrittenTensor(shape, "int8", *quantisation, data=graph.values(shape))
        begin = WrittenOperator("VAR_HANDLE", [], [0], named.options)
        graph.called.append(
            WrittenGraph([graph.tensors[handle], first], [begin, WrittenOperator("ASSIGN_VARIABLE", [0, 1], [])])
        )
        graph.operators.insert(0, WrittenOperator("CALL_ONCE", [], [], {"InitSubgraphIndex": len(graph.called)}))
    graph.operators += [
        named,
        WrittenOperator("READ_VARIABLE", [handle], [read]),
        WrittenOperator("ADD", [source, read], [total], {"FusedActivationFunction": 0}),
        WrittenOperator("ASSIGN_VARIABLE", [handle, kept], []),
    ]
    return total


LAYERS: dict[str, Callable[[RandomGraph, str, int], int]] = {
    **dict.fromkeys(
        ("RELU", "RELU6", "LEAKY_RELU", "TANH", "HARD_SWISH", "LOGISTIC", "SOFTMAX", "QUANTIZE"), activation
    ),
    "PRELU": prelu,
    "MEAN": mean,
    "DEQUANTIZE": through_float,
    "TRANSPOSE_CONV": transpose_conv,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": lstm,
    "READ_VARIABLE": remembered,
}
