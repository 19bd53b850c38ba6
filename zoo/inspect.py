"""Tells what is in a .tflite file and what it will cost on a microcontroller, without running it."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass

from zoo.errors import FloatModelError, ModelMalformedError, ModelTooLargeError, UnsupportedModelError
from zoo.schema import Graph, Operator, Tensor, read

JsonObject = dict[str, object]

MAX_MODEL_BYTES = 8 * 1024 * 1024

# Machine code of one kernel, bytes on a Cortex-M4 at -O2; upper ends of what the ahead-of-time compiler was measured at
# (1.6-5.2 KB of kernels and 0.5-1.3 KB of calls per MLPerf Tiny model).
_KERNEL_CODE = {
    "CONV_2D": 1600,
    "DEPTHWISE_CONV_2D": 1200,
    "FULLY_CONNECTED": 300,
    "SOFTMAX": 900,
    "ADD": 500,
    "MEAN": 400,
    "SUM": 400,
    "REDUCE_MAX": 200,
    "AVERAGE_POOL_2D": 400,
    "MAX_POOL_2D": 300,
    "LOGISTIC": 900,
    "RESHAPE": 0,
    "EXPAND_DIMS": 0,
    "SQUEEZE": 0,
    "SHAPE": 0,
    "SUB": 500,
    "MUL": 200,
    "MAXIMUM": 100,
    "MINIMUM": 100,
    "PAD": 200,
    "PADV2": 200,
    "CONCATENATION": 200,
    "SPLIT": 200,
    "UNPACK": 200,
    "PACK": 200,
    "SLICE": 200,
    "REVERSE_V2": 200,
    "STRIDED_SLICE": 200,
    "TRANSPOSE": 200,
    "RESIZE_NEAREST_NEIGHBOR": 200,
    "RESIZE_BILINEAR": 400,
    "RELU": 400,
    "RELU6": 400,
    "LEAKY_RELU": 400,
    "TANH": 400,
    "HARD_SWISH": 400,
    "PRELU": 400,
    "TRANSPOSE_CONV": 500,
    "BATCH_MATMUL": 400,
    "SQUARED_DIFFERENCE": 300,
    "ABS": 400,
    "ELU": 400,
    "NEG": 400,
    "RSQRT": 400,
    "SQUARE": 400,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": 3500,
    "ASSIGN_VARIABLE": 50,
    "READ_VARIABLE": 50,
    "VAR_HANDLE": 0,
    "CALL_ONCE": 0,
}  # fmt: skip - a table reads better than a column
_OTHER_KERNEL_CODE = 600
_CALL_CODE = 100
# Per output channel: an int32 multiplier and a shift.
_CHANNEL_CONSTANTS = 5
# These only rename the bytes of their first input.
_ALIASING = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})
# int32 carries the shape arithmetic that a free batch dimension leaves behind, resource stands for a variable.
_INTEGER_DTYPES = frozenset({"int8", "int32", "bool", "resource"})
_STATE_DTYPES = frozenset({"int8", "int16"})
_EDGE_DTYPES = frozenset({"int8", "uint8", "float32"})


@dataclass(frozen=True)
class TensorReport:
    """An input or output: `shape` with its batch, scale and zero point when quantised."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None
    size: int

    def to_json(self) -> JsonObject:
        """As the builder contract and the API show it."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "scale": self.scale,
            "zero_point": self.zero_point,
        }


@dataclass(frozen=True)
class OperatorReport:
    """One operator in order of execution. Constants count among the inputs; `macs` are multiply-accumulates."""

    index: int
    name: str
    input_shapes: tuple[tuple[int, ...], ...]
    output_shapes: tuple[tuple[int, ...], ...]
    macs: int

    def to_json(self) -> JsonObject:
        """As the API shows it."""
        return {
            "index": self.index,
            "name": self.name,
            "input_shapes": [list(shape) for shape in self.input_shapes],
            "output_shapes": [list(shape) for shape in self.output_shapes],
            "macs": self.macs,
        }


@dataclass(frozen=True)
class ModelReport:
    """What `inspect` found.

    `parameters`: elements of the constants that operators read as weights and biases (int8, int32 biases, floats).
    `macs`: multiply-accumulates of one inference in convolutions, fully connected layers and matrix products.
    `flash_bytes`: constants, 5 bytes per quantised output channel, and a kernel code estimate. No OS, no startup code.
    `ram_bytes`: a lower bound of the arena: the largest sum, over all operators, of the tensors alive while one runs. A
    planner that may not move tensors, scratch buffers and stack come on top; kernels that work in place can go below.
    State that lives from one inference to the next is part of it.
    `is_stateful`: what the model answers depends on the inferences before.
    """

    sha256: str
    size: int
    description: str
    inputs: tuple[TensorReport, ...]
    outputs: tuple[TensorReport, ...]
    operators: tuple[OperatorReport, ...]
    parameters: int
    macs: int
    flash_bytes: int
    ram_bytes: int
    is_int8: bool
    is_stateful: bool

    @property
    def operator_counts(self) -> dict[str, int]:
        """How many of each operator, the most frequent first."""
        return dict(Counter(operator.name for operator in self.operators).most_common())

    def to_json(self) -> JsonObject:
        """As the API shows it."""
        return {
            "sha256": self.sha256,
            "size": self.size,
            "description": self.description,
            "inputs": [tensor.to_json() for tensor in self.inputs],
            "outputs": [tensor.to_json() for tensor in self.outputs],
            "operator_counts": self.operator_counts,
            "operators": [operator.to_json() for operator in self.operators],
            "parameters": self.parameters,
            "macs": self.macs,
            "flash_bytes": self.flash_bytes,
            "ram_bytes": self.ram_bytes,
            "is_int8": self.is_int8,
        }


def inspect(data: bytes, *, max_bytes: int = MAX_MODEL_BYTES) -> ModelReport:
    """Read `data` as a .tflite model and report on it; raises ModelError and nothing else, whatever the bytes are."""
    if len(data) > max_bytes:
        raise ModelTooLargeError(f"The model has {len(data)} bytes; at most {max_bytes} are accepted.")
    graph = read(data)
    operators = tuple(_operator_report(i, operator, graph.tensors) for i, operator in enumerate(graph.operators))
    return ModelReport(
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        description=graph.description,
        inputs=tuple(_edge_report(graph.tensors[i]) for i in graph.inputs),
        outputs=tuple(_edge_report(graph.tensors[i]) for i in graph.outputs),
        operators=operators,
        parameters=sum(tensor.elements for tensor in _weights(graph)),
        macs=sum(operator.macs for operator in operators),
        flash_bytes=_flash(graph),
        ram_bytes=_ram(graph),
        is_int8=_is_int8(graph),
        is_stateful=_state(graph) > 0,
    )


def require_int8(report: ModelReport) -> None:
    """Raise FloatModelError unless the model computes in int8.

    Float32 is allowed at its edges, and in single operators between a DEQUANTIZE and a QUANTIZE.
    """
    if not report.is_int8:
        raise FloatModelError("The model computes in floating point or in another type than int8.")


def _edge_report(tensor: Tensor) -> TensorReport:
    quantisation = tensor.quantisation
    if tensor.dtype == "float32":
        quantisation = None
    if quantisation is not None and len(quantisation.scales) != 1:
        raise UnsupportedModelError(f"The input or output {tensor.name!r} has several scales; one is supported.")
    if quantisation is None and tensor.dtype in {"int8", "uint8"}:
        raise UnsupportedModelError(f"The {tensor.dtype} input or output {tensor.name!r} has no scale.")
    if quantisation is not None and not -(1 << 31) <= quantisation.zero_points[0] < 1 << 31:
        raise ModelMalformedError(f"The input or output {tensor.name!r} has no 32-bit zero point.")
    return TensorReport(
        name=tensor.name,
        shape=tensor.shape,
        dtype=tensor.dtype,
        scale=quantisation.scales[0] if quantisation else None,
        zero_point=quantisation.zero_points[0] if quantisation else None,
        size=tensor.size,
    )


def _operator_report(index: int, operator: Operator, tensors: tuple[Tensor, ...]) -> OperatorReport:
    inputs = tuple(tensors[i].shape for i in operator.inputs if i != -1)
    outputs = tuple(tensors[i].shape for i in operator.outputs)
    return OperatorReport(
        index, operator.name, inputs, outputs, _macs(operator.name, inputs, outputs[0] if outputs else ())
    )


def _macs(name: str, inputs: tuple[tuple[int, ...], ...], output: tuple[int, ...]) -> int:
    """Multiply-accumulates; 0 for what is no convolution or product: pooling and additions multiply nothing."""
    if len(inputs) < 2 or not inputs[1]:
        return 0
    weights = inputs[1]
    match name:
        case "CONV_2D" | "CONV_3D" | "FULLY_CONNECTED":  # [out, (depth, height, width,) in] except 3D: [..., in, out]
            per_output = math.prod(weights[:-1]) if name == "CONV_3D" else math.prod(weights[1:])
            return math.prod(output) * per_output
        case "DEPTHWISE_CONV_2D":  # [1, height, width, out]
            return math.prod(output) * math.prod(weights[1:-1])
        case "TRANSPOSE_CONV" if len(inputs) > 2:  # [out, height, width, in], every input element meets each of them
            return math.prod(inputs[2]) * math.prod(weights[:-1])
        case "UNIDIRECTIONAL_SEQUENCE_LSTM" if len(output) == 3:  # four gates, of the input and of the hidden state
            return math.prod(output) * 4 * (weights[-1] + output[2])
        case "BATCH_MATMUL" if output:  # matrices, transposed or not: three areas, each side in two of them
            areas = [math.prod(shape[-2:]) for shape in (*inputs[:2], output)]
            return math.prod(output) // max(areas[2], 1) * math.isqrt(math.prod(areas))
    return 0


def _weights(graph: Graph) -> list[Tensor]:
    """The constants that are learned numbers: quantised or floating point, each counted once."""
    used = {i for operator in graph.operators for i in operator.inputs if i != -1}
    tensors = (graph.tensors[i] for i in sorted(used))
    return [t for t in tensors if t.is_constant and (t.quantisation or t.dtype.startswith(("float", "bfloat")))]


def _flash(graph: Graph) -> int:
    used = {i for operator in graph.operators for i in operator.inputs if i != -1}
    constants = {graph.tensors[i].buffer: graph.tensors[i] for i in used if graph.tensors[i].is_constant}
    channels = sum(len(tensor.quantisation.scales) for tensor in constants.values() if tensor.quantisation)
    kernels = {operator.name for operator in graph.operators}
    return (
        sum(tensor.data_bytes for tensor in constants.values())
        + channels * _CHANNEL_CONSTANTS
        + sum(_KERNEL_CODE.get(name, _OTHER_KERNEL_CODE) for name in kernels)
        + len(graph.operators) * _CALL_CODE
    )


def _ram(graph: Graph) -> int:
    """The largest sum of tensors alive at once, in bytes."""
    storage = list(range(len(graph.tensors)))  # which tensor's bytes a tensor uses
    first: dict[int, int] = dict.fromkeys(graph.inputs, 0)
    last: dict[int, int] = dict.fromkeys(graph.inputs, 0)
    for step, operator in enumerate(graph.operators):
        computed = [i for i in operator.inputs if i != -1 and not graph.tensors[i].is_constant]
        for i in computed:
            last[storage[i]] = step
        aliased = operator.name in _ALIASING and bool(computed) and computed[0] == operator.inputs[0]
        for i in operator.outputs:
            storage[i] = storage[computed[0]] if aliased else i
            first.setdefault(storage[i], step)
            last[storage[i]] = step
    end = len(graph.operators) - 1
    for i in graph.outputs:
        last[storage[i]] = end
    change = [0] * (len(graph.operators) + 1)
    for i, start in first.items():
        if not graph.tensors[i].is_constant and not graph.tensors[i].is_variable:
            change[start] += graph.tensors[i].size
            change[last[i] + 1] -= graph.tensors[i].size
    alive, peak = 0, 0
    for difference in change:
        alive += difference
        peak = max(peak, alive)
    return peak + _state(graph)


def _state(graph: Graph) -> int:
    """Bytes that live from one inference to the next: variable tensors, and resource variables."""
    names = {operator.outputs[0]: operator.variable for operator in graph.operators if operator.name == "VAR_HANDLE"}
    sizes: dict[str, int] = {}
    for operator in graph.operators:
        if operator.name in {"READ_VARIABLE", "ASSIGN_VARIABLE"}:
            handle, value = (*operator.inputs, *operator.outputs, -1, -1)[:2]
            if handle in names and value != -1:
                sizes[names[handle]] = graph.tensors[value].size
    return sum(sizes.values()) + sum(tensor.size for tensor in graph.tensors if tensor.is_variable)


def _is_int8(graph: Graph) -> bool:
    """Whether everything between the edges is int8, but for single operators between a DEQUANTIZE and a QUANTIZE.

    The converter leaves there what has no int8 form: each float32 tensor is written by the one or read by the other.
    """
    edges = {*graph.inputs, *graph.outputs}
    bridges = {i for operator in graph.operators if operator.name == "DEQUANTIZE" for i in operator.outputs}
    bridges |= {i for operator in graph.operators if operator.name == "QUANTIZE" for i in operator.inputs}
    if not all(graph.tensors[i].dtype in _EDGE_DTYPES for i in edges):
        return False
    for operator in graph.operators:
        allowed = _INTEGER_DTYPES | (_EDGE_DTYPES if operator.name in {"QUANTIZE", "DEQUANTIZE"} else frozenset())
        operands = {*operator.inputs, *operator.outputs} - {-1}
        for i in operands:
            tensor = graph.tensors[i]
            if tensor.is_variable and tensor.dtype in _STATE_DTYPES:
                continue
            if tensor.dtype == "float32" and not tensor.is_constant and i in bridges - edges:
                continue
            at_edge = i in edges
            if tensor.dtype not in (allowed if at_edge else _INTEGER_DTYPES):
                return False
    return True
