"""The parts of a .tflite file as the schema lays them out, read with bounds and checked against each other.

Field numbers follow tensorflow/compiler/mlir/lite/schema/schema.fbs (schema version 3).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tflite.BuiltinOperator import BuiltinOperator
from tflite.TensorType import TensorType

from zoo.errors import ModelMalformedError, ModelTruncatedError, NotTfliteError, UnsupportedModelError
from zoo.flatbuffer import Buffer, Table

SCHEMA_VERSION = 3
MAX_TENSORS = 8192
MAX_OPERATORS = 4096
MAX_SUBGRAPHS = 8
MAX_OPERANDS = 1024
MAX_RANK = 8
# 64 Mi elements are past every board here and every interpreter limit set below.
MAX_TENSOR_ELEMENTS = 1 << 26
MAX_NAME_BYTES = 256

_DTYPES: dict[int, str] = {
    number: name.lower() for name, number in vars(TensorType).items() if not name.startswith("_")
}
_OPERATORS: dict[int, str] = {
    number: name for name, number in vars(BuiltinOperator).items() if not name.startswith("_")
}
_DTYPE_BITS = {
    "float64": 64,
    "int64": 64,
    "uint64": 64,
    "complex64": 64,
    "float32": 32,
    "int32": 32,
    "uint32": 32,
    "float16": 16,
    "bfloat16": 16,
    "int16": 16,
    "uint16": 16,
    "int8": 8,
    "uint8": 8,
    "bool": 8,
    "int4": 4,
    "resource": 0,
}  # fmt: skip - a table reads better than a column
_OF_VARIABLES = frozenset({"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"})
_WITHOUT_OUTPUT = frozenset({"ASSIGN_VARIABLE", "CALL_ONCE"})


@dataclass(frozen=True)
class Quantisation:
    """real = scale * (stored - zero_point); one scale for the tensor, or one per slice along `dimension`."""

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    dimension: int


@dataclass(frozen=True)
class Tensor:
    """One tensor. `data_bytes` is the size of its constant data, 0 for one that the model computes."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    quantisation: Quantisation | None
    data_bytes: int
    buffer: int
    is_variable: bool

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """Bytes it takes in memory."""
        return (self.elements * _DTYPE_BITS[self.dtype] + 7) // 8

    @property
    def is_constant(self) -> bool:
        """Whether the file holds its value."""
        return self.data_bytes > 0


@dataclass(frozen=True)
class Operator:
    """One operator: indices into the tensors; -1 stands for an optional input that is left out.

    `variable` is the name that VAR_HANDLE gives a handle of, `subgraph` the one that CALL_ONCE calls.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    variable: str = ""
    subgraph: int = 0


@dataclass(frozen=True)
class Graph:
    """The main subgraph of a model, operators in order of execution."""

    description: str
    tensors: tuple[Tensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[Operator, ...]


def read(data: bytes) -> Graph:
    """Read a .tflite file.

    Raises NotTfliteError, ModelTruncatedError, ModelMalformedError or UnsupportedModelError (custom operators, several
    subgraphs, dynamic shapes, sparse tensors, data outside of the FlatBuffer) and nothing else, whatever the bytes are.
    """
    if data[4:8] != b"TFL3":
        raise NotTfliteError("The file does not carry the identifier TFL3 of a TensorFlow Lite model.")
    model = Buffer(data).root()
    version = model.integer(0, 4, signed=False)
    if version != SCHEMA_VERSION:
        raise UnsupportedModelError(f"Schema version {version} is not {SCHEMA_VERSION}.")
    subgraphs = model.tables(2, MAX_SUBGRAPHS)
    if not subgraphs:
        raise UnsupportedModelError("The model has 0 subgraphs; one is needed.")
    names = tuple(_operator_name(code) for code in model.tables(1, MAX_OPERATORS))
    sizes = tuple(_buffer_size(buffer) for buffer in model.tables(4, 2 * MAX_TENSORS))
    description = model.text(3, MAX_NAME_BYTES)
    graph, *others = (_graph(subgraph, description, names, sizes) for subgraph in subgraphs)
    _check_flow(graph)
    _check_calls(graph, others)
    return graph


def _graph(subgraph: Table, description: str, names: tuple[str, ...], sizes: tuple[int, ...]) -> Graph:
    return Graph(
        description=description,
        tensors=tuple(_tensor(i, table, sizes) for i, table in enumerate(subgraph.tables(0, MAX_TENSORS))),
        inputs=subgraph.int32s(1),
        outputs=subgraph.int32s(2),
        operators=tuple(_operator(i, table, names) for i, table in enumerate(subgraph.tables(3, MAX_OPERATORS))),
    )


def _operator_name(code: Table) -> str:
    # Codes past 126 live in a later field; the older one then holds a placeholder.
    number = max(code.integer(0, 1, signed=True), code.integer(3, 4, signed=True))
    name = _OPERATORS.get(number)
    if name is None:
        raise UnsupportedModelError(f"Operator code {number} is unknown.")
    if name == "CUSTOM":
        custom = code.text(1, MAX_NAME_BYTES)
        raise UnsupportedModelError(f"The custom operator {custom!r} has no implementation here.")
    return name


def _buffer_size(buffer: Table) -> int:
    if buffer.integer(1, 8, signed=False) > 1 or buffer.integer(2, 8, signed=False) > 1:
        raise UnsupportedModelError("Constant data is stored outside of the FlatBuffer.")
    return buffer.byte_count(0)


def _tensor(index: int, table: Table, buffer_sizes: tuple[int, ...]) -> Tensor:
    number = table.integer(1, 1, signed=True)
    dtype = _DTYPES.get(number, f"type {number}")
    if dtype not in _DTYPE_BITS:
        raise UnsupportedModelError(f"Tensor {index} is of {dtype}, which is not supported.")
    if table.has(6):
        raise UnsupportedModelError(f"Tensor {index} is sparse.")
    buffer = table.integer(2, 4, signed=False)
    if buffer >= len(buffer_sizes):
        raise ModelMalformedError(f"Tensor {index} refers to buffer {buffer} of {len(buffer_sizes)}.")
    tensor = Tensor(
        name=table.text(3, MAX_NAME_BYTES),
        shape=_shape(index, table),
        dtype=dtype,
        quantisation=_quantisation(index, table.table(4)),
        data_bytes=buffer_sizes[buffer],
        buffer=buffer,
        is_variable=table.integer(5, 1, signed=False) != 0,
    )
    if tensor.data_bytes and tensor.data_bytes != tensor.size:
        problem = f"Tensor {index} of {tensor.size} bytes has {tensor.data_bytes} bytes of data."
        raise ModelTruncatedError(problem) if tensor.data_bytes < tensor.size else ModelMalformedError(problem)
    quantisation = tensor.quantisation
    if quantisation and len(quantisation.scales) > 1:
        slices = tensor.shape[quantisation.dimension] if quantisation.dimension < len(tensor.shape) else 0
        if slices != len(quantisation.scales):
            raise ModelMalformedError(f"Tensor {index} has {len(quantisation.scales)} scales for {slices} slices.")
    return tensor


def _shape(index: int, table: Table) -> tuple[int, ...]:
    shape, signature = table.int32s(0), table.int32s(7)
    if len(shape) > MAX_RANK:
        raise UnsupportedModelError(f"Tensor {index} has {len(shape)} dimensions; {MAX_RANK} are supported.")
    # A free batch is usual and harmless: the shape itself fixes it. Any other free dimension changes the graph.
    # 0 is the size of what an operator only describes; `_check_flow` refuses to compute with it.
    if -1 in signature[1:] or any(size < 0 for size in shape):
        raise _dynamic(index)
    if math.prod(shape) > MAX_TENSOR_ELEMENTS:
        raise UnsupportedModelError(
            f"Tensor {index} has {math.prod(shape)} elements; {MAX_TENSOR_ELEMENTS} are supported."
        )
    return shape


def _dynamic(index: int) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"Tensor {index} has a dynamic shape.",
        remedy="Convert the model with a fixed input shape: tf.keras.Input(batch_shape=(1, ...)).",
    )


def _quantisation(index: int, table: Table | None) -> Quantisation | None:
    if table is None:
        return None
    scales, zero_points, dimension = table.floats(2), table.int64s(3), table.integer(6, 4, signed=True)
    if not scales:
        return None
    if len(zero_points) not in (1, len(scales)) or dimension < 0:
        raise ModelMalformedError(f"Tensor {index} has {len(scales)} scales and {len(zero_points)} zero points.")
    if not all(math.isfinite(scale) and scale > 0 for scale in scales):
        raise ModelMalformedError(f"Tensor {index} has a scale that is not a positive number.")
    return Quantisation(scales, zero_points, dimension)


def _operator(index: int, table: Table, names: tuple[str, ...]) -> Operator:
    code = table.integer(0, 4, signed=False)
    if code >= len(names):
        raise ModelMalformedError(f"Operator {index} refers to operator code {code} of {len(names)}.")
    options = table.table(4)  # its field index is checked here, before native code walks it unchecked
    name, inputs, outputs = names[code], table.int32s(1), table.int32s(2)
    fewest = 0 if name in _WITHOUT_OUTPUT else 1
    if len(inputs) > MAX_OPERANDS or not fewest <= len(outputs) <= MAX_OPERANDS:
        raise ModelMalformedError(f"Operator {index} has {len(inputs)} inputs and {len(outputs)} outputs.")
    return Operator(
        name,
        inputs,
        outputs,
        variable=options.text(1, MAX_NAME_BYTES) if options and name == "VAR_HANDLE" else "",
        subgraph=options.integer(0, 4, signed=True) if options and name == "CALL_ONCE" else 0,
    )


def _check_flow(graph: Graph) -> None:
    """Every tensor read was written before, and none is written twice: execution in order is then well defined."""
    if not (graph.inputs and graph.outputs and graph.operators):
        raise ModelMalformedError("The model has no input, no output or no operator.")
    if len(graph.inputs) > MAX_OPERANDS or len(graph.outputs) > MAX_OPERANDS:
        raise ModelMalformedError(f"The model has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs.")
    _check_order(graph)
    for i in {*graph.inputs, *graph.outputs, *(i for operator in graph.operators for i in _operands(operator))}:
        if 0 in graph.tensors[i].shape:
            raise _dynamic(i)
    handles = {i for i, tensor in enumerate(graph.tensors) if tensor.dtype == "resource"}
    others = (i for operator in graph.operators if operator.name not in _OF_VARIABLES for i in _operands(operator))
    for i in handles & {*graph.inputs, *graph.outputs, *others}:
        raise UnsupportedModelError(f"Tensor {i} is of resource, which is not supported there.")


def _operands(operator: Operator) -> Iterator[int]:
    return (i for i in (*operator.inputs, *operator.outputs) if i != -1)


def _check_order(graph: Graph) -> None:
    count = len(graph.tensors)
    written = {i for i, tensor in enumerate(graph.tensors) if tensor.is_constant or tensor.is_variable}
    for i in graph.inputs:
        if not 0 <= i < count or i in written:
            raise ModelMalformedError(f"The model's input {i} is no free tensor.")
        written.add(i)
    for number, operator in enumerate(graph.operators):
        for i in operator.inputs:
            if i != -1 and i not in written:
                raise ModelMalformedError(f"Operator {number} ({operator.name}) reads tensor {i} before it is written.")
        for i in operator.outputs:
            if not 0 <= i < count or i in written:
                raise ModelMalformedError(f"Operator {number} ({operator.name}) writes tensor {i} again.")
            written.add(i)
    for i in graph.outputs:
        if i not in written or not 0 <= i < count:
            raise ModelMalformedError(f"The model's output {i} is never written.")


def _check_calls(graph: Graph, others: Sequence[Graph]) -> None:
    """Every other subgraph is called once, before the first inference, and gives variables their first value."""
    called = {operator.subgraph for operator in graph.operators if operator.name == "CALL_ONCE"}
    if called - set(range(1, 1 + len(others))):
        raise ModelMalformedError(f"The model calls the subgraphs {sorted(called)} of {1 + len(others)}.")
    if len(called) != len(others):
        raise UnsupportedModelError(
            f"The model has {1 + len(others)} subgraphs; one is supported, and those that initialise variables."
        )
    for number, other in enumerate(others, 1):
        for operator in other.operators:
            if operator.name not in {"VAR_HANDLE", "ASSIGN_VARIABLE"}:
                raise UnsupportedModelError(
                    f"Subgraph {number} has the operator {operator.name}; only constants may initialise variables."
                )
        if other.inputs or other.outputs:
            raise ModelMalformedError(f"Subgraph {number}, which is called once, has inputs or outputs.")
        _check_order(other)
