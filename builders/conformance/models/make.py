"""Writes the kit's models and their golden vectors into this folder: `python -m builders.conformance.models.make`.

Three models of at most two kilobytes, with weights from a fixed generator: `dense` and `conv` use operators that every
int8 compiler has, `custom` uses one that nobody can have. The expected outputs come from the tflite-micro interpreter.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import flatbuffers  # type: ignore[import-untyped]  # ships no type information
import numpy as np
import tflite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FOLDER = Path(__file__).parent
CUSTOM_OPERATOR = "TINYMLAAS_NO_SUCH_OPERATOR"
VECTORS = 3
_TYPES = {"int8": tflite.TensorType.INT8, "int32": tflite.TensorType.INT32}


@dataclass(frozen=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    dtype: str = "int8"
    scale: float = 0.0
    zero_point: int = 0
    data: bytes = b""


@dataclass(frozen=True)
class _Operator:
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    union: str = ""
    options: Mapping[str, int | float] = field(default_factory=dict)


def _noise(name: str, count: int, low: int, high: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """`count` integers of [low, high), the same ones for ever."""
    stream = np.frombuffer(hashlib.shake_256(name.encode()).digest(4 * count), np.uint32)
    return low + stream.astype(np.int64) % (high - low)


def _weights(name: str, shape: tuple[int, ...], scale: float) -> _Tensor:
    values = _noise(name, int(np.prod(shape)), -127, 128).astype(np.int8)
    return _Tensor(name, shape, "int8", scale, 0, values.tobytes())


def _biases(name: str, count: int, scale: float) -> _Tensor:
    return _Tensor(name, (count,), "int32", scale, 0, _noise(name, count, -500, 500).astype(np.int32).tobytes())


def dense() -> bytes:
    """Eight inputs, 16 hidden units with ReLU, four classes."""
    tensors = [
        _Tensor("features", (1, 8), scale=1 / 64),
        _weights("hidden/weights", (16, 8), 1 / 128),
        _biases("hidden/bias", 16, 1 / 8192),
        _Tensor("hidden", (1, 16), scale=1 / 32, zero_point=-128),
        _weights("scores/weights", (4, 16), 1 / 128),
        _biases("scores/bias", 4, 1 / 4096),
        _Tensor("scores", (1, 4), scale=1 / 16),
        _Tensor("classes", (1, 4), scale=1 / 256, zero_point=-128),
    ]
    relu = {"FusedActivationFunction": tflite.ActivationFunctionType.RELU}
    operators = [
        _Operator("FULLY_CONNECTED", (0, 1, 2), (3,), "FullyConnectedOptions", relu),
        _Operator("FULLY_CONNECTED", (3, 4, 5), (6,), "FullyConnectedOptions"),
        _Operator("SOFTMAX", (6,), (7,), "SoftmaxOptions", {"Beta": 1.0}),
    ]
    return _model(tensors, operators, [0], [7])


def conv() -> bytes:
    """An 8x8 image, four 3x3 filters, the maximum of each quarter, three scores."""
    tensors = [
        _Tensor("image", (1, 8, 8, 1), scale=1 / 255, zero_point=-128),
        _weights("filters", (4, 3, 3, 1), 1 / 128),
        _biases("filters/bias", 4, 1 / 32640),
        _Tensor("features", (1, 8, 8, 4), scale=1 / 64, zero_point=-128),
        _Tensor("pooled", (1, 2, 2, 4), scale=1 / 64, zero_point=-128),
        _Tensor("shape", (2,), "int32", data=np.array([1, 16], np.int32).tobytes()),
        _Tensor("flat", (1, 16), scale=1 / 64, zero_point=-128),
        _weights("scores/weights", (3, 16), 1 / 128),
        _biases("scores/bias", 3, 1 / 8192),
        _Tensor("scores", (1, 3), scale=1 / 16),
    ]
    convolution = {
        "Padding": tflite.Padding.SAME,
        "StrideW": 1,
        "StrideH": 1,
        "DilationWFactor": 1,
        "DilationHFactor": 1,
        "FusedActivationFunction": tflite.ActivationFunctionType.RELU,
    }
    pooling = {"Padding": tflite.Padding.VALID, "StrideW": 4, "StrideH": 4, "FilterWidth": 4, "FilterHeight": 4}
    operators = [
        _Operator("CONV_2D", (0, 1, 2), (3,), "Conv2DOptions", convolution),
        _Operator("MAX_POOL_2D", (3,), (4,), "Pool2DOptions", pooling),
        _Operator("RESHAPE", (4, 5), (6,), "ReshapeOptions"),
        _Operator("FULLY_CONNECTED", (6, 7, 8), (9,), "FullyConnectedOptions"),
    ]
    return _model(tensors, operators, [0], [9])


def custom() -> bytes:
    """One operator that no compiler has."""
    tensors = [_Tensor("x", (1, 8), scale=1 / 64), _Tensor("y", (1, 8), scale=1 / 64)]
    return _model(tensors, [_Operator("CUSTOM", (0,), (1,))], [0], [1])


def _table(builder: flatbuffers.Builder, table: str, **fields: Any) -> int:
    getattr(tflite, f"{table}Start")(builder)
    for name, value in fields.items():
        getattr(tflite, f"{table}Add{name}")(builder, value)
    return int(getattr(tflite, f"{table}End")(builder))


def _offsets(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _model(tensors: Sequence[_Tensor], operators: Sequence[_Operator], inputs: list[int], outputs: list[int]) -> bytes:
    builder = flatbuffers.Builder(4096)
    buffers = [_table(builder, "Buffer")]
    tables = []
    for tensor in tensors:
        number = len(buffers) if tensor.data else 0
        if tensor.data:
            buffers.append(_table(builder, "Buffer", Data=builder.CreateByteVector(tensor.data)))
        tables.append(_tensor(builder, tensor, number))
    kinds = sorted({operator.kind for operator in operators})
    codes = [_code(builder, kind) for kind in kinds]
    steps = [_operator(builder, operator, kinds.index(operator.kind)) for operator in operators]
    subgraph = _table(
        builder,
        "SubGraph",
        Tensors=_offsets(builder, tables),
        Inputs=builder.CreateNumpyVector(np.array(inputs, np.int32)),
        Outputs=builder.CreateNumpyVector(np.array(outputs, np.int32)),
        Operators=_offsets(builder, steps),
        Name=builder.CreateString("main"),
    )
    model = _table(
        builder,
        "Model",
        Version=3,
        OperatorCodes=_offsets(builder, codes),
        Subgraphs=_offsets(builder, [subgraph]),
        Description=builder.CreateString("TinyMLaaS conformance kit"),
        Buffers=_offsets(builder, buffers),
    )
    builder.Finish(model, b"TFL3")
    return bytes(builder.Output())


def _tensor(builder: flatbuffers.Builder, tensor: _Tensor, buffer: int) -> int:
    name = builder.CreateString(tensor.name)
    shape = builder.CreateNumpyVector(np.array(tensor.shape, np.int32))
    fields: dict[str, int] = {"Shape": shape, "Type": _TYPES[tensor.dtype], "Buffer": buffer, "Name": name}
    if tensor.scale:
        scales = builder.CreateNumpyVector(np.array([tensor.scale], np.float32))
        zero_points = builder.CreateNumpyVector(np.array([tensor.zero_point], np.int64))
        fields["Quantization"] = _table(builder, "QuantizationParameters", Scale=scales, ZeroPoint=zero_points)
    return _table(builder, "Tensor", **fields)


def _code(builder: flatbuffers.Builder, kind: str) -> int:
    number = getattr(tflite.BuiltinOperator, kind)
    fields = {"DeprecatedBuiltinCode": number, "BuiltinCode": number, "Version": 1}
    if kind == "CUSTOM":
        fields["CustomCode"] = builder.CreateString(CUSTOM_OPERATOR)
    return _table(builder, "OperatorCode", **fields)


def _operator(builder: flatbuffers.Builder, operator: _Operator, opcode: int) -> int:
    inputs = builder.CreateNumpyVector(np.array(operator.inputs, np.int32))
    outputs = builder.CreateNumpyVector(np.array(operator.outputs, np.int32))
    fields: dict[str, int] = {"OpcodeIndex": opcode, "Inputs": inputs, "Outputs": outputs}
    if operator.union:
        fields["BuiltinOptions"] = _table(builder, operator.union, **operator.options)
        fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, operator.union)
    return _table(builder, "Operator", **fields)


def _described(content: bytes, name: str) -> dict[str, object]:
    """What build.json and golden.json say about a model."""
    from tflite_micro import runtime

    graph = tflite.Model.GetRootAs(content, 0).Subgraphs(0)
    taken, given = graph.Tensors(graph.Inputs(0)), graph.Tensors(graph.Outputs(0))
    interpreter = runtime.Interpreter.from_bytes(content)
    vectors = []
    for index in range(VECTORS):
        shape = tuple(int(size) for size in taken.ShapeAsNumpy())
        values = _noise(f"{name}/vector/{index}", int(np.prod(shape)), -128, 128).astype(np.int8).reshape(shape)
        interpreter.set_input(values, 0)
        interpreter.invoke()
        vectors.append({"inputs": [values.tobytes().hex()], "outputs": [interpreter.get_output(0).tobytes().hex()]})
    return {"inputs": [_spoken(taken)], "outputs": [_spoken(given)], "vectors": vectors}


def _spoken(tensor: tflite.Tensor) -> dict[str, object]:
    quantization = tensor.Quantization()
    return {
        "name": tensor.Name().decode(),
        "shape": [int(size) for size in tensor.ShapeAsNumpy()],
        "dtype": "int8",
        "scale": float(quantization.Scale(0)),
        "zero_point": int(quantization.ZeroPoint(0)),
    }


def make() -> dict[str, bytes]:
    """Every file of the folder that is made, by name."""
    models = {"dense": dense(), "conv": conv()}
    described = {name: _described(content, name) for name, content in models.items()}
    files = {f"{name}.tflite": content for name, content in {**models, "custom": custom()}.items()}
    files["models.json"] = (json.dumps(described, indent=1, sort_keys=True) + "\n").encode()
    return files


if __name__ == "__main__":
    for file, content in make().items():
        (FOLDER / file).write_bytes(content)
