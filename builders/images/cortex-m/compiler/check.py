"""Second pass: refuses every graph that the later passes could not compile exactly."""

from collections.abc import Iterable

from compiler.errors import Code, CompileError, bad_model
from compiler.graph import DType, Graph, Tensor
from compiler.operators import FAMILIES

MAX_TENSOR_BYTES = 1 << 28
EDGE_TYPES = (DType.INT8, DType.FLOAT32)


def check(graph: Graph) -> None:
    """Raises CompileError for the first thing that is not supported; returns when all passes will succeed."""
    if not graph.inputs or not graph.outputs or not graph.nodes:
        raise bad_model(
            f"the model has {len(graph.inputs)} inputs, {len(graph.outputs)} outputs and {len(graph.nodes)} operators"
        )
    _check_operators(graph)
    _check_shapes((*graph.inputs, *graph.outputs))
    for node in graph.nodes:
        _check_shapes((*(tensor for tensor in node.inputs if tensor is not None), *node.outputs))
        FAMILIES[node.kind].check(node)
    _check_order(graph)
    _check_variables(graph)
    _check_edges(graph)


def _check_operators(graph: Graph) -> None:
    refused = [node for node in graph.nodes if node.kind not in FAMILIES]
    if refused:
        more = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
        shown = refused[0].outputs[0].label if refused[0].outputs else "nothing"
        raise CompileError(
            Code.UNSUPPORTED_OPERATOR,
            f"{refused[0].label}, which gives {shown},{more} is not supported",
            f"Supported operators: {', '.join(FAMILIES)}.",
        )


def _check_shapes(tensors: Iterable[Tensor]) -> None:
    for tensor in tensors:
        if any(size < 1 for size in tensor.shape):
            raise bad_model(f"{tensor.label} has a dimension without a size", "Export the model with fixed shapes.")
        if tensor.size > MAX_TENSOR_BYTES:
            raise CompileError(
                Code.MODEL_TOO_LARGE, f"{tensor.label} has {tensor.size} bytes", "Use a smaller model or input."
            )


def _check_order(graph: Graph) -> None:
    """Each tensor is written once, and before it is read."""
    known = {tensor.index for tensor in graph.inputs}
    if len(known) != len(graph.inputs) or any(tensor.data is not None for tensor in graph.inputs):
        raise bad_model("a graph input is listed twice or is a constant")
    known |= {tensor.index for tensor in graph.tensors if tensor.is_variable}
    for node in graph.nodes:
        for tensor in node.inputs:
            if tensor is not None and tensor.data is None and tensor.index not in known:
                raise bad_model(f"{node.label} reads {tensor.label} before anything wrote it")
        for tensor in node.outputs:
            if tensor.index in known or tensor.data is not None:
                raise bad_model(f"{node.label} writes {tensor.label}, which already has a value")
            known.add(tensor.index)
    for tensor in graph.outputs:
        if tensor.index not in known:
            raise bad_model(f"the graph output {tensor.label} is not computed")


def _check_variables(graph: Graph) -> None:
    """Variable tensors are the state of the operators that keep one, and nothing else."""
    for tensor in (*graph.inputs, *graph.outputs):
        if tensor.is_variable:
            raise bad_model(f"the graph's {tensor.label} is a variable")
    for node in graph.nodes:
        for position, tensor in enumerate(node.inputs):
            if tensor is not None and tensor.is_variable and position not in FAMILIES[node.kind].state_inputs:
                raise node.refusal(
                    Code.UNSUPPORTED_OPERATOR,
                    f"{tensor.label} is a variable",
                    "Keep state in resource variables or in an LSTM.",
                )


def _check_edges(graph: Graph) -> None:
    for tensor in (*graph.inputs, *graph.outputs):
        if tensor.dtype not in EDGE_TYPES:
            raise CompileError(
                Code.UNSUPPORTED_TYPE,
                f"the graph's {tensor.label} is neither int8 nor float32",
                "Convert with inference_input_type and inference_output_type int8.",
            )
