"""Writes small .tflite files from Python values, with the schema bindings of PyPI's `tflite`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite

_UNIONS = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "SOFTMAX": "SoftmaxOptions",
    "ADD": "AddOptions",
    "MUL": "MulOptions",
    "RESHAPE": "ReshapeOptions",
    "MEAN": "ReducerOptions",
    "REDUCE_MAX": "ReducerOptions",
    "SUB": "SubOptions",
    "CONCATENATION": "ConcatenationOptions",
    "SPLIT": "SplitOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
    "SUM": "ReducerOptions",
    "PACK": "PackOptions",
    "UNPACK": "UnpackOptions",
    "SQUEEZE": "SqueezeOptions",
    "STRIDED_SLICE": "StridedSliceOptions",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
    "RESIZE_BILINEAR": "ResizeBilinearOptions",
    "LEAKY_RELU": "LeakyReluOptions",
    "HARD_SWISH": "HardSwishOptions",
    "TRANSPOSE_CONV": "TransposeConvOptions",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTMOptions",
    "CALL_ONCE": "CallOnceOptions",
    "VAR_HANDLE": "VarHandleOptions",
    "READ_VARIABLE": "ReadVariableOptions",
    "ASSIGN_VARIABLE": "AssignVariableOptions",
}
_TYPES = {
    "float32": tflite.TensorType.FLOAT32,
    "int32": tflite.TensorType.INT32,
    "uint8": tflite.TensorType.UINT8,
    "int16": tflite.TensorType.INT16,
    "int8": tflite.TensorType.INT8,
    "resource": tflite.TensorType.RESOURCE,
}


@dataclass(frozen=True)
class WrittenTensor:
    """A tensor of the file; `data` makes it a constant."""

    shape: Sequence[int]
    dtype: str = "int8"
    scales: Sequence[float] = ()
    zero_points: Sequence[int] = ()
    axis: int = 0
    data: np.ndarray | None = None
    name: str = "tensor"
    is_variable: bool = False


@dataclass(frozen=True)
class WrittenOperator:
    """An operator of the file; options by the schema's names, such as `StrideW`."""

    kind: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class WrittenGraph:
    """A further subgraph, without inputs and outputs."""

    tensors: Sequence[WrittenTensor]
    operators: Sequence[WrittenOperator]


def write_model(
    tensors: Sequence[WrittenTensor],
    operators: Sequence[WrittenOperator],
    inputs: Sequence[int],
    outputs: Sequence[int],
    *,
    subgraphs: int = 1,
    called: Sequence["WrittenGraph"] = (),
) -> bytes:
    """The file's bytes: the main subgraph, that many times, and the `called` ones."""
    builder = flatbuffers.Builder(4096)
    buffers = [_table(builder, "Buffer")]
    main = WrittenGraph(tensors, operators)
    kinds = sorted({operator.kind for graph in (main, *called) for operator in graph.operators})
    codes = [_code(builder, kind) for kind in kinds]
    subgraph = _subgraph(builder, main, kinds, buffers, inputs, outputs)
    others = [_subgraph(builder, graph, kinds, buffers, (), ()) for graph in called]
    model = _table(
        builder,
        "Model",
        Version=3,
        OperatorCodes=_offsets(builder, codes),
        Subgraphs=_offsets(builder, [*[subgraph] * subgraphs, *others]),
        Description=builder.CreateString("test"),
        Buffers=_offsets(builder, buffers),
    )
    builder.Finish(model, b"TFL3")
    return bytes(builder.Output())


def _subgraph(
    builder: flatbuffers.Builder,
    graph: WrittenGraph,
    kinds: list[str],
    buffers: list[int],
    inputs: Sequence[int],
    outputs: Sequence[int],
) -> int:
    written: list[int] = []
    for tensor in graph.tensors:
        number = 0
        if tensor.data is not None:
            number = len(buffers)
            buffers.append(_table(builder, "Buffer", Data=builder.CreateByteVector(tensor.data.tobytes())))
        written.append(_tensor(builder, tensor, number))
    operator_tables = [_operator(builder, operator, kinds.index(operator.kind)) for operator in graph.operators]
    return _table(
        builder,
        "SubGraph",
        Tensors=_offsets(builder, written),
        Inputs=builder.CreateNumpyVector(np.array(inputs, np.int32)),
        Outputs=builder.CreateNumpyVector(np.array(outputs, np.int32)),
        Operators=_offsets(builder, operator_tables),
        Name=builder.CreateString("graph"),
    )


def _table(builder: flatbuffers.Builder, name: str, **fields: Any) -> int:
    getattr(tflite, f"{name}Start")(builder)
    for field_name, value in fields.items():
        getattr(tflite, f"{name}Add{field_name}")(builder, value)
    return int(getattr(tflite, f"{name}End")(builder))


def _offsets(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _tensor(builder: flatbuffers.Builder, tensor: WrittenTensor, buffer: int) -> int:
    name = builder.CreateString(tensor.name)
    shape = builder.CreateNumpyVector(np.array(tensor.shape, np.int32))
    fields: dict[str, Any] = {"Shape": shape, "Type": _TYPES[tensor.dtype], "Buffer": buffer, "Name": name}
    if tensor.is_variable:
        fields["IsVariable"] = True
    if tensor.scales:
        scales = builder.CreateNumpyVector(np.array(tensor.scales, np.float32))
        zero_points = builder.CreateNumpyVector(np.array(tensor.zero_points, np.int64))
        fields["Quantization"] = _table(
            builder, "QuantizationParameters", Scale=scales, ZeroPoint=zero_points, QuantizedDimension=tensor.axis
        )
    return _table(builder, "Tensor", **fields)


def _code(builder: flatbuffers.Builder, kind: str) -> int:
    number = getattr(tflite.BuiltinOperator, kind)
    return _table(builder, "OperatorCode", DeprecatedBuiltinCode=min(number, 127), BuiltinCode=number, Version=1)


def _value(builder: flatbuffers.Builder, value: Any) -> Any:
    """As the table takes it: numbers as they are, texts and lists by their offset."""
    if isinstance(value, str):
        return builder.CreateString(value)
    return builder.CreateNumpyVector(np.array(value, np.int32)) if isinstance(value, list) else value


def _operator(builder: flatbuffers.Builder, operator: WrittenOperator, opcode: int) -> int:
    inputs = builder.CreateNumpyVector(np.array(operator.inputs, np.int32))
    outputs = builder.CreateNumpyVector(np.array(operator.outputs, np.int32))
    fields: dict[str, Any] = {"OpcodeIndex": opcode, "Inputs": inputs, "Outputs": outputs}
    union = _UNIONS.get(operator.kind)
    if union is not None:
        options = {name: _value(builder, value) for name, value in operator.options.items()}
        fields["BuiltinOptions"] = _table(builder, union, **options)
        fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, union)
    return _table(builder, "Operator", **fields)
