"""First pass: the bytes of a .tflite file become a Graph, or a refusal.

Schema: tensorflow/lite/schema/schema.fbs, version 3; slot numbers below are the order of fields there.
"""

from dataclasses import dataclass
from math import isfinite

from compiler.errors import Code, CompileError, bad_model
from compiler.flatbuffer import Table, root
from compiler.graph import DType, Graph, Node, Quantization, Tensor
from compiler.operator_names import operator_name
from compiler.operators import FAMILIES
from compiler.resources import bind

MAX_MODEL_BYTES = 64 * 1024 * 1024
MAX_TENSORS = 8192
MAX_OPERATORS = 4096
MAX_SUBGRAPHS = 8  # converters write one that initialises all variables
MAX_OPERANDS = 512  # of UNPACK, one for each step of a sequence
MAX_RANK = 6
MAX_DIMENSION = 1 << 24
MAX_CHANNELS = 65536
MAX_NAME = 4096
SHOWN_NAME = 80
CUSTOM = 32

_DTYPES = {dtype.number: dtype for dtype in DType}


@dataclass(frozen=True, slots=True)
class _File:
    """The vectors that operators and tensors refer to by index."""

    opcodes: tuple[str, ...]
    buffers: tuple[memoryview, ...]


def parse(data: bytes) -> Graph:
    """The model in `data`; raises CompileError and nothing else, whatever the bytes are."""
    if len(data) > MAX_MODEL_BYTES:
        raise CompileError(
            Code.MODEL_TOO_LARGE,
            f"the file has {len(data)} bytes; the limit is {MAX_MODEL_BYTES}",
            "Use a smaller model.",
        )
    model = root(data, b"TFL3")
    version = model.integer(0, "I")
    if version != 3:
        raise bad_model(f"schema version {version} is not 3")
    file = _File(
        opcodes=tuple(_opcode(table) for table in model.tables(1, "operator_codes", MAX_OPERATORS)),
        buffers=tuple(_buffer(table, index) for index, table in enumerate(model.tables(4, "buffers", MAX_TENSORS))),
    )
    subgraphs = model.tables(2, "subgraphs", MAX_SUBGRAPHS)
    if not subgraphs:
        raise bad_model("the model has no subgraph")
    return bind([_graph(subgraph, file) for subgraph in subgraphs])


def _opcode(table: Table) -> str:
    # Builtins past 127 are only in the wider field, old files have only the narrow one: the larger counts (schema).
    number = max(table.integer(0, "b"), table.integer(3, "i"))
    if number == CUSTOM:
        return f"CUSTOM {_shown(table.text(1, 'custom operator name', MAX_NAME))}"
    return operator_name(number)


def _buffer(table: Table, index: int) -> memoryview:
    if table.integer(1, "Q") > 1:
        raise bad_model(f"buffer {index} keeps its data outside the flatbuffer", "Export a model below 2 GiB.")
    return table.bytes(0, f"buffer {index}", MAX_MODEL_BYTES)


def _graph(subgraph: Table, file: _File) -> Graph:
    tensors = tuple(
        _tensor(table, index, file) for index, table in enumerate(subgraph.tables(0, "tensors", MAX_TENSORS))
    )
    constant_bytes = sum(len(tensor.data) for tensor in tensors if tensor.data is not None)
    if constant_bytes > MAX_MODEL_BYTES:
        raise CompileError(
            Code.MODEL_TOO_LARGE,
            f"the constants have {constant_bytes} bytes; the limit is {MAX_MODEL_BYTES}",
            "Use a smaller model.",
        )
    nodes = tuple(
        _node(table, index, tensors, file) for index, table in enumerate(subgraph.tables(3, "operators", MAX_OPERATORS))
    )
    return Graph(
        tensors=tensors,
        nodes=nodes,
        inputs=_listed(subgraph.integers(1, "i", "graph inputs", MAX_OPERANDS), tensors, "graph input"),
        outputs=_listed(subgraph.integers(2, "i", "graph outputs", MAX_OPERANDS), tensors, "graph output"),
        constant_bytes=constant_bytes,
    )


def _listed(indexes: tuple[int, ...], tensors: tuple[Tensor, ...], what: str) -> tuple[Tensor, ...]:
    for position, index in enumerate(indexes):
        if not 0 <= index < len(tensors):
            raise bad_model(f"{what} {position} is tensor {index}; the model has {len(tensors)} tensors")
    return tuple(tensors[index] for index in indexes)


def _shown(name: str) -> str:
    """A peer's text made fit for messages, logs and C comments."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_./:;-") else "?" for letter in name)[
        :SHOWN_NAME
    ]


def _tensor(table: Table, index: int, file: _File) -> Tensor:
    name = _shown(table.text(3, f"name of tensor {index}", MAX_NAME))
    what = f'tensor {index} "{name}"'
    number = table.integer(1, "b")
    if number not in _DTYPES:
        raise bad_model(f"{what} has the unknown element type {number}")
    shape = table.integers(0, "i", f"shape of {what}", MAX_RANK)
    if any(not -1 <= size <= MAX_DIMENSION for size in shape):
        raise bad_model(f"{what} has the impossible shape {list(shape)}")
    buffer = table.integer(2, "I")
    if buffer >= len(file.buffers):
        raise bad_model(f"{what} refers to buffer {buffer}; the model has {len(file.buffers)} buffers")
    data = file.buffers[buffer] if len(file.buffers[buffer]) else None
    is_variable = table.integer(5, "B") != 0
    tensor = Tensor(index, name, shape, _DTYPES[number], _quantization(table.table(4), what), data, is_variable)
    if data is not None and is_variable:
        raise bad_model(f"{what} is a variable and a constant")
    if data is not None and table.table(6) is not None:
        raise CompileError(Code.UNSUPPORTED_TYPE, f"{what} is sparse", "Export the model with dense weights.")
    if data is not None and tensor.dtype.size and (min(shape, default=1) < 0 or len(data) != tensor.size):
        raise bad_model(f"{tensor.label} holds {len(data)} bytes")
    return tensor


def _quantization(table: Table | None, what: str) -> Quantization | None:
    if table is None:
        return None
    scales = table.reals(2, f"scales of {what}", MAX_CHANNELS)
    zero_points = table.integers(3, "q", f"zero points of {what}", MAX_CHANNELS)
    if not scales:
        return None
    # Absent zero points mean zeros (schema); the converter always writes them.
    zero_points = zero_points or (0,) * len(scales)
    if len(zero_points) != len(scales):
        raise bad_model(f"{what} has {len(scales)} scales and {len(zero_points)} zero points")
    if any(not isfinite(scale) or scale <= 0 for scale in scales):
        raise bad_model(f"{what} has a scale that is not a positive number")
    return Quantization(scales, zero_points, table.integer(6, "i"))


def _node(table: Table, index: int, tensors: tuple[Tensor, ...], file: _File) -> Node:
    opcode = table.integer(0, "I")
    if opcode >= len(file.opcodes):
        raise bad_model(f"operator {index} has the operator code {opcode} of {len(file.opcodes)}")
    kind = file.opcodes[opcode]
    what = f"operator {index} ({kind})"
    inputs: list[Tensor | None] = []
    for position, number in enumerate(table.integers(1, "i", f"inputs of {what}", MAX_OPERANDS)):
        if not -1 <= number < len(tensors):
            raise bad_model(f"{what}: input {position} is tensor {number}; the model has {len(tensors)} tensors")
        inputs.append(None if number == -1 else tensors[number])
    outputs = _listed(table.integers(2, "i", f"outputs of {what}", MAX_OPERANDS), tensors, f"{what}: output")
    family = FAMILIES.get(kind)
    options: object = None
    if family is not None and family.options is not None:
        union = table.integer(3, "B")
        body = table.table(4)
        if body is None or union != family.options.number:
            raise bad_model(f"{what}: its options are missing or of another operator (union member {union})")
        options = family.options.read(body)
    return Node(index, kind, tuple(inputs), outputs, options)
