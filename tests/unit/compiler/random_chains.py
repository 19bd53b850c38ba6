"""Random small networks as .tflite files: windows, sums and products of earlier tensors, moves, and a classifier."""

from collections.abc import Sequence

import numpy as np
from random_layers import LAYERS
from random_operators import BINARY, RandomGraph, binary, concatenation, pad, resize, split, strided_slice, transpose
from tflite_writer import WrittenOperator, WrittenTensor

WINDOWS = ("CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D")
MOVES = (
    "PAD",
    "PADV2",
    "CONCATENATION",
    "SPLIT",
    "STRIDED_SLICE",
    "TRANSPOSE",
    "RESIZE_NEAREST_NEIGHBOR",
    "RESIZE_BILINEAR",
)
KINDS = (*WINDOWS, "CONV_2D", "DEPTHWISE_CONV_2D", "ADD", *BINARY, *MOVES, *LAYERS)
MOST_ELEMENTS = 6000  # of a tensor that padding, joining or resizing may still enlarge


class _Writer(RandomGraph):
    def activation(self, shape: list[int], *, like: WrittenTensor | None = None) -> int:
        scale = like.scales[0] if like else float(np.float32(self.rng.uniform(0.02, 0.1)))
        zero_point = like.zero_points[0] if like else int(self.rng.integers(-128, 128))
        self.tensors.append(WrittenTensor(shape, "int8", [scale], [zero_point]))
        return len(self.tensors) - 1

    def constant(self, shape: list[int], axis: int) -> int:
        count = shape[axis] if self.rng.random() < 0.7 else 1
        scales = [float(np.float32(s)) for s in self.rng.uniform(0.001, 0.02, count)]
        data = self.rng.integers(-127, 128, shape).astype(np.int8)
        self.tensors.append(WrittenTensor(shape, "int8", scales, [0] * count, axis, data))
        return len(self.tensors) - 1

    def filters(self, source: int, shape: list[int], axis: int) -> list[int]:
        """Operands: the source, filters, and their biases with the scale that the oracle insists on."""
        weights = self.constant(shape, axis)
        scales = [self.tensors[source].scales[0] * scale for scale in self.tensors[weights].scales]
        data = self.rng.integers(-9000, 9000, shape[axis]).astype(np.int32)
        self.tensors.append(WrittenTensor([shape[axis]], "int32", scales, [0] * len(scales), 0, data))
        return [source, weights, len(self.tensors) - 1]

    def window(self, source: int, kind: str) -> int:
        _, height, width, channels = self.tensors[source].shape
        size, stride = int(self.rng.integers(1, 5)), int(self.rng.integers(1, 3))
        out = [1, -(-height // stride), -(-width // stride), channels]
        options = {"StrideW": stride, "StrideH": stride, "Padding": 0}
        operands = [source]
        if kind == "CONV_2D":
            out[3] = int(self.rng.integers(1, 20))
            operands = self.filters(source, [out[3], size, size, channels], 0)
        elif kind == "DEPTHWISE_CONV_2D":
            operands = self.filters(source, [1, size, size, channels], 3)
            options["DepthMultiplier"] = 1
        else:
            options |= {"FilterWidth": size, "FilterHeight": size}
        options["FusedActivationFunction"] = int(self.rng.choice([0, 1, 3]))
        target = self.activation(out, like=self.tensors[source] if "POOL" in kind else None)
        self.operators.append(WrittenOperator(kind, operands, [target], options))
        return target

    def combination(self, last: int, kind: str, activations: list[int]) -> int:
        """With an earlier tensor of the same shape, or with a constant that broadcasts."""
        shape = list(self.tensors[last].shape)
        equal = [index for index in activations if list(self.tensors[index].shape) == shape]
        other = int(self.rng.choice(equal))
        if self.rng.random() < 0.3:
            shape = [size if self.rng.random() < 0.5 else 1 for size in shape][int(self.rng.integers(0, 4)) :]
            other = self.tensor(shape, data=self.values(shape))
        return binary(self, kind, *([last, other] if self.rng.random() < 0.5 else [other, last]))

    def move(self, last: int, kind: str, activations: list[int]) -> list[int]:
        """The tensors that result."""
        tensor, rng = self.tensors[last], self.rng
        axis = int(rng.integers(1, 4))
        if kind == "SPLIT":
            parts = [count for count in (1, 2, 3, 4) if tensor.shape[axis] % count == 0]
            split(self, last, axis, int(rng.choice(parts)))
            return list(self.operators[-1].outputs)
        if kind == "STRIDED_SLICE":
            return [strided_slice(self, last, shrink=False)]
        if kind == "TRANSPOSE":
            return [transpose(self, last, [0, *(int(axis) for axis in rng.permutation([1, 2, 3]))])]
        if np.prod(tensor.shape) > MOST_ELEMENTS:
            return [last]
        if kind == "CONCATENATION":
            others = [index for index in activations if self._joins(index, last, axis)]
            chosen = [int(rng.choice(others)) for _ in range(int(rng.integers(0, 3)))]
            return [concatenation(self, [int(index) for index in rng.permutation([last, *chosen])], axis)]
        if kind.startswith("RESIZE"):
            return [resize(self, kind, last)]
        return [pad(self, kind, last, most=2, kept=1)]

    def _joins(self, one: int, other: int, axis: int) -> bool:
        """Whether the oracle joins them: the same quantisation, and the same shape but for the axis."""
        left, right = self.tensors[one], self.tensors[other]
        shapes = [[size for position, size in enumerate(t.shape) if position != axis] for t in (left, right)]
        return shapes[0] == shapes[1] and (left.scales, left.zero_points) == (right.scales, right.zero_points)


def random_chain(seed: int, kinds: Sequence[str] = ()) -> tuple[bytes, list[int]]:
    """A network of some operators, or of all `kinds`, and the shape of its input: a function of the arguments."""
    writer = _Writer(np.random.default_rng(seed))
    rng = writer.rng
    shape = [1, int(rng.integers(1, 15)), int(rng.integers(1, 15)), int(rng.integers(1, 13))]
    last = writer.activation(shape)
    writer.inputs = [last]
    activations = [last]
    chosen = rng.permutation(kinds) if kinds else rng.choice(KINDS, int(rng.integers(2, 9)))
    for kind in map(str, chosen):
        if kind in WINDOWS:
            made = [writer.window(last, kind)]
        elif kind in BINARY:
            made = [writer.combination(last, kind, activations)]
        elif kind in LAYERS:
            made = [LAYERS[kind](writer, kind, last)]
        else:
            made = writer.move(last, kind, activations)
        activations += made
        last = int(rng.choice(made))
    flat = int(np.prod(writer.tensors[last].shape))
    reshaped = writer.activation([1, flat], like=writer.tensors[last])
    writer.operators.append(WrittenOperator("RESHAPE", [last], [reshaped]))
    units = int(rng.integers(1, 12))
    target = writer.activation([1, units])
    operands = writer.filters(reshaped, [units, flat], 0)
    writer.operators.append(WrittenOperator("FULLY_CONNECTED", operands, [target]))
    writer.outputs = [target]
    return writer.write(), shape
