"""VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE and CALL_ONCE: state that lives from one inference to the next."""

from compiler.errors import Code
from compiler.flatbuffer import Table
from compiler.graph import DType, Node, Tensor, Variable
from compiler.layer import Layer, State
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.rules import EXPORT_HINT, require_arity, require_computed, require_type
from compiler.resources import ASSIGN, CALL, HANDLE, READ, CallOnce, Handle

MAX_NAME = 4096
_TYPES = (DType.INT8, DType.INT16, DType.INT32, DType.FLOAT32)


def _read_handle(table: Table) -> Handle:
    return Handle(table.text(0, "container of a variable", MAX_NAME), table.text(1, "name of a variable", MAX_NAME))


def _read_call(table: Table) -> CallOnce:
    return CallOnce(table.integer(0, "i"))


def check_handle(node: Node) -> None:
    """Refuses what does not give one handle."""
    require_arity(node, 0, 0)
    require_type(node, node.output, DType.RESOURCE)


def check_call(node: Node) -> None:
    """Refuses a call with tensors: `compiler.resources` has looked at the subgraph."""
    if node.inputs or node.outputs:
        raise node.refusal(
            Code.BAD_MODEL, f"it has {len(node.inputs)} inputs and {len(node.outputs)} outputs", EXPORT_HINT
        )


def _check_value(node: Node, tensor: Tensor) -> None:
    require_type(node, node.input(0), DType.RESOURCE)
    require_type(node, tensor, *_TYPES)
    variable = options_of(node, Variable)
    if (tensor.dtype, tensor.size) != (variable.dtype, variable.size):
        raise node.refusal(
            Code.BAD_MODEL,
            f"{tensor.label} is not the {variable.size} bytes of {variable.dtype.label} that its variable holds",
            EXPORT_HINT,
        )


def check_read(node: Node) -> None:
    """Refuses another type or size than the variable's."""
    require_arity(node, 1, 1)
    require_computed(node, 0)
    _check_value(node, node.output)


def check_assign(node: Node) -> None:
    """Refuses another type or size than the variable's."""
    if len(node.inputs) != 2 or node.outputs:
        raise node.refusal(
            Code.BAD_MODEL, f"it has {len(node.inputs)} inputs and {len(node.outputs)} outputs", EXPORT_HINT
        )
    _check_value(node, node.input(1))


def _state(node: Node) -> State:
    variable = options_of(node, Variable)
    initial = variable.initial.cast("b") if variable.initial is not None else ()
    return State(f"variable_{variable.number}", "int8_t", variable.size, initial, variable.fill)


def _copy(node: Node, kernel: str, inputs: tuple[Tensor, ...], output: Tensor | None) -> Layer:
    return Layer(
        kernel=kernel,
        struct="tml_variable_layer",
        parameters=(("bytes", options_of(node, Variable).size),),
        constants=(),
        inputs=inputs,
        output=output,
        states=(_state(node),),
    )


def lower_read(node: Node) -> Layer:
    """The call of `tml_read_variable`."""
    return _copy(node, "tml_read_variable", (), node.output)


def lower_assign(node: Node) -> Layer:
    """The call of `tml_assign_variable`."""
    return _copy(node, "tml_assign_variable", (node.input(1),), None)


def lower_nothing(_: Node) -> Layer:
    """Nothing to run: a handle is a name, and `model_reset` does what CALL_ONCE asks for."""
    return Layer(None, "", (), (), (), None)


VAR_HANDLE = Family(HANDLE, OptionsReader(111, _read_handle), check_handle, lower_nothing)
CALL_ONCE = Family(CALL, OptionsReader(103, _read_call), check_call, lower_nothing)
READ_VARIABLE = Family(READ, None, check_read, lower_read)
ASSIGN_VARIABLE = Family(ASSIGN, None, check_assign, lower_assign)
