"""Writes small .tflite files by hand, valid and broken ones alike, straight from the schema's field numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import flatbuffers
import pytest

INT8, INT32, FLOAT32 = 9, 2, 0
ADD, CONV_2D, FULLY_CONNECTED, RESHAPE, CUSTOM = 0, 3, 9, 22, 32


@dataclass(frozen=True)
class T:
    """A tensor to write; `data` is its constant value."""

    shape: Sequence[int]
    dtype: int = INT8
    data: bytes = b""
    scales: Sequence[float] = (0.5,)
    zero_points: Sequence[int] = (0,)
    signature: Sequence[int] = ()
    sparse: bool = False
    variable: bool = False


@dataclass(frozen=True)
class M:
    """A model to write; `operators` are (builtin code, inputs, outputs)."""

    tensors: Sequence[T]
    operators: Sequence[tuple[int, Sequence[int], Sequence[int]]]
    inputs: Sequence[int] = (0,)
    outputs: Sequence[int] = (1,)
    subgraphs: int = 1
    version: int = 3
    operator_repeats: int = 1
    buffer_fields: dict[int, int] = field(default_factory=dict)


def write(model: M) -> bytes:
    builder = flatbuffers.Builder(1024)

    def vector(items: Sequence[float], kind: str, size: int) -> int:
        builder.StartVector(size, len(items), size)
        for item in reversed(items):
            getattr(builder, f"Prepend{kind}")(item)
        return int(builder.EndVector())

    def offsets(items: Sequence[int]) -> int:
        return vector(items, "UOffsetTRelative", 4)

    def table(fields: dict[int, tuple[str, float]]) -> int:
        builder.StartObject(max(fields, default=0) + 1)
        for number, (kind, value) in fields.items():
            getattr(builder, f"Prepend{kind}")(value)
            builder.Slot(number)
        return int(builder.EndObject())

    def tensor(number: int, t: T) -> int:
        scales, zero_points = vector(t.scales, "Float32", 4), vector(t.zero_points, "Int64", 8)
        quantisation = table({2: ("UOffsetTRelative", scales), 3: ("UOffsetTRelative", zero_points)})
        name, shape = builder.CreateString(f"t{number}"), vector(t.shape, "Int32", 4)
        fields: dict[int, tuple[str, float]] = {
            0: ("UOffsetTRelative", shape),
            1: ("Int8", t.dtype),
            2: ("Uint32", number + 1),
            3: ("UOffsetTRelative", name),
            5: ("Bool", t.variable),
        }
        if t.scales:
            fields[4] = ("UOffsetTRelative", quantisation)
        if t.sparse:
            fields[6] = ("UOffsetTRelative", table({0: ("Int32", 1)}))
        if t.signature:
            fields[7] = ("UOffsetTRelative", vector(t.signature, "Int32", 4))
        return table(fields)

    codes = sorted({code for code, _, _ in model.operators})
    code_tables = []
    for code in codes:
        custom = builder.CreateString("MyOp")
        code_tables.append(table({0: ("Int8", min(code, 127)), 1: ("UOffsetTRelative", custom), 3: ("Int32", code)}))
    extra: dict[int, tuple[str, float]] = {n: ("Uint64", value) for n, value in model.buffer_fields.items()}
    buffers = [table({})]
    for t in model.tensors:
        place = builder.CreateByteVector(t.data) if t.data else 0
        # To LiteRT, a buffer with an empty field is an error; a tensor without a value has a buffer without the field.
        buffers.append(table({0: ("UOffsetTRelative", place), **extra} if place else extra))
    tensors = [tensor(i, t) for i, t in enumerate(model.tensors)]
    operators = []
    for code, inputs, outputs in model.operators:
        places = vector(inputs, "Int32", 4), vector(outputs, "Int32", 4)
        operators.append(
            table(
                {
                    0: ("Uint32", codes.index(code)),
                    1: ("UOffsetTRelative", places[0]),
                    2: ("UOffsetTRelative", places[1]),
                }
            )
        )  # fmt: skip - one field a line
    operators *= model.operator_repeats
    lists = (
        offsets(tensors),
        vector(model.inputs, "Int32", 4),
        vector(model.outputs, "Int32", 4),
        offsets(operators),
    )
    subgraph = table({n: ("UOffsetTRelative", place) for n, place in enumerate(lists)})
    root_lists = {
        1: offsets(code_tables),
        2: offsets([subgraph] * model.subgraphs),
        3: builder.CreateString("hand-made"),
        4: offsets(buffers),
    }
    root = table({0: ("Uint32", model.version), **{n: ("UOffsetTRelative", place) for n, place in root_lists.items()}})
    builder.Finish(root, file_identifier=b"TFL3")
    return bytes(builder.Output())


@pytest.fixture
def tensor() -> type[T]:
    return T


@pytest.fixture
def model() -> Callable[..., bytes]:
    """Writes a model: `model(tensors=[...], operators=[...], ...)`; the defaults of `M` apply."""
    return lambda **parts: write(M(**parts))


@pytest.fixture
def float_model() -> bytes:
    return (Path(__file__).parent / "data" / "float.tflite").read_bytes()
