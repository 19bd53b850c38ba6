"""What lowering an operator gives: a kernel call, its parameters, its constants, and how its tensors may overlap."""

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.graph import Tensor

WIDTHS = {"int8_t": 1, "uint8_t": 1, "int16_t": 2, "uint16_t": 2, "int32_t": 4}
"""Bytes of the C types of constants and states."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant array of the model's section; `field` is the member of the parameter struct that points to it."""

    field: str
    c_type: str
    values: Sequence[int]


@dataclass(frozen=True, slots=True)
class Below:
    """The output may begin `distance` bytes below an input that ends here, or lower.

    It then never catches up with what is still to be read. 0 is in place; a negative distance lets the output begin
    above the input.
    """

    distance: int


@dataclass(frozen=True, slots=True)
class Same:
    """The output may take exactly the place of an input that ends here, and no other place that overlaps it."""


Overlap = Below | Same
IN_PLACE = Below(0)


@dataclass(frozen=True, slots=True)
class State:
    """Memory that lives from one inference to the next; layers that name the same state share it.

    It begins with the values `initial`, or without them with the byte `fill` all over.
    """

    name: str
    c_type: str
    count: int
    initial: Sequence[int] = ()
    fill: int = 0

    @property
    def bytes(self) -> int:
        """Size."""
        return WIDTHS[self.c_type] * self.count


@dataclass(frozen=True, slots=True)
class Layer:
    """One call `kernel(&parameters, inputs.., outputs.., states..[, scratch])` of the generated code.

    `struct` is the C type of the parameters; `header` declares both. `overlaps` says for each input how the first
    output may overlap it; None, and every input that it does not list, means not at all.

    A layer without a kernel only gives other names to its input's bytes: each output begins `offsets` bytes into it, at
    its start where none are given. `slots` turns this round, for a kernel that puts its inputs into one output: where
    in it each input's bytes go as they are, so that the plan may let that input be computed there in the first place.
    `input_array` and `output_array` are for kernels of any number of these: they take one array of addresses.
    """

    kernel: str | None
    struct: str
    parameters: tuple[tuple[str, int | str], ...]
    constants: tuple[Constant, ...]
    inputs: tuple[Tensor, ...]
    output: Tensor | None
    scratch_bytes: int = 0
    header: str = "tml_kernels.h"
    overlaps: tuple[Overlap | None, ...] = ()
    more_outputs: tuple[Tensor, ...] = ()
    states: tuple[State, ...] = ()
    offsets: tuple[int, ...] = ()
    slots: tuple[int | None, ...] = ()
    input_array: bool = False
    output_array: bool = False

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """All outputs."""
        return self.more_outputs if self.output is None else (self.output, *self.more_outputs)
