"""The typed graph that the passes share: tensors, operators and the model."""

from dataclasses import dataclass
from enum import Enum
from math import prod

from compiler.errors import Code, CompileError


class DType(Enum):
    """Element types of the TensorFlow Lite schema: number there, size in bytes, name in C."""

    FLOAT32 = (0, 4, "float")
    FLOAT16 = (1, 2, "")
    INT32 = (2, 4, "int32_t")
    UINT8 = (3, 1, "uint8_t")
    INT64 = (4, 8, "int64_t")
    STRING = (5, 0, "")
    BOOL = (6, 1, "bool")
    INT16 = (7, 2, "int16_t")
    COMPLEX64 = (8, 8, "")
    INT8 = (9, 1, "int8_t")
    FLOAT64 = (10, 8, "double")
    COMPLEX128 = (11, 16, "")
    UINT64 = (12, 8, "uint64_t")
    RESOURCE = (13, 0, "")
    VARIANT = (14, 0, "")
    UINT32 = (15, 4, "uint32_t")
    UINT16 = (16, 2, "uint16_t")
    INT4 = (17, 0, "")

    @property
    def number(self) -> int:
        """Value of `TensorType` in the schema."""
        return self.value[0]

    @property
    def size(self) -> int:
        """Bytes of one element; 0 where elements have no whole fixed size."""
        return self.value[1]

    @property
    def c_name(self) -> str:
        """The C type of one element."""
        return self.value[2]

    @property
    def label(self) -> str:
        """The name in messages and in build.json: `int8`."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Quantization:
    """Affine quantisation: real = scale * (stored - zero point), per tensor or along `axis`."""

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor; `data` holds the bytes of a constant and is None for an activation.

    A variable keeps its value from one inference to the next.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: DType
    quantization: Quantization | None
    data: memoryview | None
    is_variable: bool = False

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.elements * self.dtype.size

    @property
    def label(self) -> str:
        """How messages name it: `tensor 4 "conv" int8[1,8,8,4]`."""
        return f'tensor {self.index} "{self.name}" {self.dtype.label}[{",".join(map(str, self.shape))}]'


@dataclass(frozen=True, slots=True)
class Variable:
    """A resource variable: it begins with the bytes `initial`, or without them with the byte `fill` all over."""

    number: int
    dtype: DType
    size: int
    initial: memoryview | None
    fill: int


@dataclass(frozen=True, slots=True)
class Node:
    """One operator with its tensors; an absent optional input is None. `options` is the type its family parsed."""

    index: int
    kind: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: object

    @property
    def label(self) -> str:
        """How messages name it: `operator 3 (CONV_2D)`."""
        return f"operator {self.index} ({self.kind})"

    def input(self, position: int) -> Tensor:
        """A required input."""
        tensor = self.inputs[position] if position < len(self.inputs) else None
        if tensor is None:
            raise self.refusal(Code.BAD_MODEL, f"input {position} is missing", "Export the model again.")
        return tensor

    @property
    def output(self) -> Tensor:
        """The only output."""
        return self.outputs[0]

    def refusal(self, code: Code, message: str, hint: str) -> CompileError:
        """An error that names this operator."""
        return CompileError(code, f"{self.label}: {message}", hint)


@dataclass(frozen=True, slots=True)
class Graph:
    """A subgraph; the model is its main one."""

    tensors: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    constant_bytes: int
