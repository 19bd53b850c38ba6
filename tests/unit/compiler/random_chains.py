"""Random small networks as .tflite files: windows, additions to earlier tensors, poolings and a classifier."""

import numpy as np
from tflite_writer import WrittenOperator, WrittenTensor, write_model

KINDS = ("CONV_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "MAX_POOL_2D", "AVERAGE_POOL_2D")


class _Writer:
    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.tensors: list[WrittenTensor] = []
        self.operators: list[WrittenOperator] = []

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


def random_chain(seed: int) -> tuple[bytes, list[int]]:
    """A network that is a pure function of its seed, and the shape of its input."""
    writer = _Writer(seed)
    rng = writer.rng
    shape = [1, int(rng.integers(1, 15)), int(rng.integers(1, 15)), int(rng.integers(1, 13))]
    last = writer.activation(shape)
    activations = [last]
    for _ in range(int(rng.integers(2, 7))):
        kind = str(rng.choice(KINDS))
        if kind == "ADD":
            equal = [i for i in activations if list(writer.tensors[i].shape) == list(writer.tensors[last].shape)]
            other = int(rng.choice(equal))
            target = writer.activation(list(writer.tensors[last].shape))
            writer.operators.append(WrittenOperator("ADD", [other, last], [target], {"FusedActivationFunction": 0}))
            last = target
        else:
            last = writer.window(last, kind)
        activations.append(last)
    flat = int(np.prod(writer.tensors[last].shape))
    reshaped = writer.activation([1, flat], like=writer.tensors[last])
    writer.operators.append(WrittenOperator("RESHAPE", [last], [reshaped]))
    units = int(rng.integers(1, 12))
    target = writer.activation([1, units])
    operands = writer.filters(reshaped, [units, flat], 0)
    writer.operators.append(WrittenOperator("FULLY_CONNECTED", operands, [target]))
    return write_model(writer.tensors, writer.operators, [0], [target]), shape
