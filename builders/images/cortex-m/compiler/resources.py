"""Resource variables: ties every handle to one variable, with the bytes that the variable begins with.

A handle names a variable (VAR_HANDLE), READ_VARIABLE and ASSIGN_VARIABLE copy, and CALL_ONCE names a subgraph that runs
before the first inference: one that assigns constants becomes the variables' first value.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from compiler.errors import Code, CompileError, bad_model
from compiler.graph import Graph, Node, Tensor, Variable

READ, ASSIGN, HANDLE, CALL = "READ_VARIABLE", "ASSIGN_VARIABLE", "VAR_HANDLE", "CALL_ONCE"


@dataclass(frozen=True, slots=True)
class Handle:
    """VarHandleOptions of the schema: two handles of the same names are the same variable."""

    container: str
    shared_name: str


@dataclass(frozen=True, slots=True)
class CallOnce:
    """CallOnceOptions of the schema."""

    subgraph: int


def bind(graphs: Sequence[Graph]) -> Graph:
    """The main graph (the first) in which READ_VARIABLE and ASSIGN_VARIABLE have their `Variable` as options."""
    main, *others = graphs
    _check_calls(main, len(graphs))
    for number, graph in enumerate(others, 1):
        _check_initialisation(number, graph)
    variables = _variables(main, others)
    found = _handles(main)
    nodes = tuple(
        replace(node, options=variables[found[node.inputs[0].index]])
        if node.kind in (READ, ASSIGN) and node.inputs and node.inputs[0] is not None and node.inputs[0].index in found
        else node
        for node in main.nodes
    )
    return replace(main, nodes=nodes)


def _check_calls(main: Graph, graphs: int) -> None:
    """Every other subgraph is the target of a CALL_ONCE that comes before the variables are used."""
    called: set[int] = set()
    for node in main.nodes:
        if isinstance(node.options, CallOnce):
            called.add(node.options.subgraph)
            if not 0 < node.options.subgraph < graphs:
                raise bad_model(f"{node.label} calls subgraph {node.options.subgraph} of {graphs}")
    if graphs > 1 + len(called):
        raise CompileError(
            Code.UNSUPPORTED_OPERATOR,
            f"the model has {graphs} subgraphs (control flow); one, and those of CALL_ONCE, are supported",
            "Export a model without IF, WHILE and CALL.",
        )
    used = next((node for node in main.nodes if node.kind in (READ, ASSIGN)), None)
    late = next((node for node in main.nodes if used and node.kind == CALL and node.index > used.index), None)
    if used is not None and late is not None:
        raise late.refusal(
            Code.UNSUPPORTED_OPERATOR,
            f"{used.label} uses a variable before it: the first inference would differ from the others",
            "Initialise the variables before they are used.",
        )


def _check_initialisation(number: int, graph: Graph) -> None:
    for node in graph.nodes:
        value = node.input(1) if node.kind == ASSIGN else None
        if node.kind not in (HANDLE, ASSIGN) or (value is not None and value.data is None):
            what = node.label if value is None else f"{node.label} of {value.label}, which is computed,"
            raise CompileError(
                Code.UNSUPPORTED_OPERATOR,
                f"{what} in subgraph {number} is not supported: CALL_ONCE may only assign constants",
                "Initialise the variables with constants.",
            )


def _handles(graph: Graph) -> dict[int, Handle]:
    """The variable that each tensor of type resource stands for."""
    return {
        tensor.index: node.options
        for node in graph.nodes
        if isinstance(node.options, Handle)
        for tensor in node.outputs
    }


def _assigned(graph: Graph) -> Iterator[tuple[Handle, Node, Tensor]]:
    found = _handles(graph)
    for node in graph.nodes:
        if node.kind == ASSIGN:
            handle = found.get(node.input(0).index)
            if handle is None:
                raise node.refusal(
                    Code.BAD_MODEL, f"{node.input(0).label} is no handle of a variable", "Export the model again."
                )
            yield handle, node, node.input(1)


def _variables(main: Graph, others: Sequence[Graph]) -> dict[Handle, Variable]:
    """A variable for each handle of the main graph."""
    first: dict[Handle, Tensor] = {}
    initial: dict[Handle, Tensor] = {}
    for graph in (main, *others):
        for handle, node, value in _assigned(graph):
            like = first.setdefault(handle, value)
            if (like.dtype, like.size) != (value.dtype, value.size):
                raise node.refusal(
                    Code.BAD_MODEL,
                    f"{value.label} is assigned to the variable that holds {like.label}",
                    "Export the model again.",
                )
            if graph is not main:
                initial[handle] = value
    variables: dict[Handle, Variable] = {}
    for node in main.nodes:
        handle = node.options
        if not isinstance(handle, Handle) or handle in variables:
            continue
        if handle not in first:
            raise node.refusal(
                Code.UNSUPPORTED_OPERATOR,
                "nothing assigns its variable a value",
                "Initialise the variable, or use a constant in its place.",
            )
        like = first[handle]
        variables[handle] = Variable(
            number=len(variables),
            dtype=like.dtype,
            size=like.size,
            initial=initial[handle].data if handle in initial else None,
            # As in the oracle: real zero for what nothing initialises, by its low byte.
            fill=like.quantization.zero_points[0] & 0xFF if like.quantization else 0,
        )
    return variables
