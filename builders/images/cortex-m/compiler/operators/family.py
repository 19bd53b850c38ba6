"""What an operator family provides to the passes: options, checks, lowering."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from compiler.errors import Code
from compiler.flatbuffer import Table
from compiler.graph import Node
from compiler.layer import Layer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OptionsReader:
    """`number` in the schema's union BuiltinOptions and the function that reads that table."""

    number: int
    read: Callable[[Table], object]


@dataclass(frozen=True, slots=True)
class Family:
    """One operator: how its options are read, what is refused (`check`) and what is called (`lower`).

    `check` has passed on every node before any node is lowered. `state_inputs` are the positions of inputs that are
    variables.
    """

    kind: str
    options: OptionsReader | None
    check: Callable[[Node], None]
    lower: Callable[[Node], Layer]
    state_inputs: tuple[int, ...] = ()


def options_of(node: Node, kind: type[T]) -> T:
    """The options that the node's family parsed."""
    if not isinstance(node.options, kind):
        raise node.refusal(Code.BAD_MODEL, f"its options are not {kind.__name__}", "Export the model again.")
    return node.options
