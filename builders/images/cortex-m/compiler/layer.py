"""What lowering an operator gives: a kernel call, its parameters and its constants."""

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.graph import Tensor


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant array of the model's section; `field` is the member of the parameter struct that points to it."""

    field: str
    c_type: str
    values: Sequence[int]


@dataclass(frozen=True, slots=True)
class Layer:
    """One call `kernel(&parameters, inputs.., output[, scratch])` of the generated code.

    `struct` is the C type of the parameters. A layer without a kernel only gives another shape to its input:
    the plan places both at one address.
    """

    kernel: str | None
    struct: str
    parameters: tuple[tuple[str, int | str], ...]
    constants: tuple[Constant, ...]
    inputs: tuple[Tensor, ...]
    output: Tensor
    scratch_bytes: int = 0
