"""Last pass: readable C99. One parameter struct and one call for each layer, one header for the caller."""

from collections.abc import Iterable, Sequence

from compiler.graph import DType, Graph, Node, Tensor
from compiler.layer import Constant, Layer
from compiler.plan import Plan

_PER_LINE = {"int8_t": 24, "int32_t": 10}


def emit(graph: Graph, layers: Sequence[Layer], plan: Plan) -> dict[str, str]:
    """The generated files by name: `model.h` and `model.c`."""
    return {"model.h": _header(graph, plan), "model.c": _source(graph, layers, plan)}


def _header(graph: Graph, plan: Plan) -> str:
    lines = [
        "/* The compiled model: write model_inputs, call model_invoke, read model_outputs. Generated. */",
        "#ifndef MODEL_H",
        "#define MODEL_H",
        "",
        "#include <stdint.h>",
        "",
        f"#define MODEL_ARENA_BYTES {plan.arena_bytes}",
        f"#define MODEL_INPUTS {len(graph.inputs)}",
        f"#define MODEL_OUTPUTS {len(graph.outputs)}",
        f"#define MODEL_INPUT_BYTES {sum(tensor.size for tensor in graph.inputs)} /* all inputs together */",
        f"#define MODEL_OUTPUT_BYTES {sum(tensor.size for tensor in graph.outputs)} /* all outputs together */",
        "",
    ]
    for what, tensors in (("input", graph.inputs), ("output", graph.outputs)):
        lines += [f"/* {what} {position}: {tensor.label} */" for position, tensor in enumerate(tensors)]
    lines += [
        "",
        "extern void *const model_inputs[MODEL_INPUTS];",
        "extern const uint32_t model_input_bytes[MODEL_INPUTS];",
        "extern const void *const model_outputs[MODEL_OUTPUTS];",
        "extern const uint32_t model_output_bytes[MODEL_OUTPUTS];",
        "",
        "/* Runs the model once; the inputs' bytes may be overwritten. Returns 0. */",
        "int model_invoke(void);",
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def _source(graph: Graph, layers: Sequence[Layer], plan: Plan) -> str:
    lines = [
        "/* The model's constants and calls. Generated. */",
        '#include "model.h"',
        "",
        '#include "tml_kernels.h"',
        "",
        f"static uint8_t arena[{max(plan.arena_bytes, 1)}] __attribute__((aligned(8)));",
        "",
    ]
    for tensor in _activation_constants(layers):
        values = memoryview(tensor.data or b"").cast("b")
        lines += [f"/* {tensor.label} */", *_array(_address(tensor, plan), "int8_t", values), ""]
    calls: list[str] = []
    for index, (node, layer) in enumerate(zip(graph.nodes, layers, strict=True)):
        lines += _layer(index, node, layer, plan)
        if layer.kernel is not None:
            calls.append(f"    {_function(index, node)}();")
    lines += ["int model_invoke(void)", "{", *calls, "    return 0;", "}", ""]
    for what, tensors, qualifier in (("input", graph.inputs, ""), ("output", graph.outputs, "const ")):
        size = f"MODEL_{what.upper()}S"
        lines += [
            f"{qualifier}void *const model_{what}s[{size}] = {{{', '.join(_address(t, plan) for t in tensors)}}};",
            f"const uint32_t model_{what}_bytes[{size}] = {{{', '.join(str(t.size) for t in tensors)}}};",
        ]
    return "\n".join(lines) + "\n"


def _activation_constants(layers: Sequence[Layer]) -> Iterable[Tensor]:
    """Constants that kernels read as activations."""
    found = {tensor.index: tensor for layer in layers for tensor in layer.inputs if tensor.data is not None}
    return found.values()


def _address(tensor: Tensor, plan: Plan) -> str:
    return f"tensor_{tensor.index}" if tensor.data is not None else f"arena + {plan.tensors[tensor.index]}"


def _argument(tensor: Tensor, plan: Plan, *, written: bool) -> str:
    if tensor.data is not None:
        return _address(tensor, plan)
    const = "" if written else "const "
    c_type = "float" if tensor.dtype is DType.FLOAT32 else "int8_t"
    return f"({const}{c_type} *)(void *)({_address(tensor, plan)})"


def _function(index: int, node: Node) -> str:
    return f"layer_{index}_{node.kind.lower()}"


def _layer(index: int, node: Node, layer: Layer, plan: Plan) -> list[str]:
    sources = ", ".join(tensor.label for tensor in layer.inputs)
    comment = [f"/* layer {index}: {node.kind}", f"   from {sources}", f"   to {layer.output.label} */"]
    if layer.kernel is None:
        return [*comment, "/* the same bytes */", ""]
    name = _function(index, node)
    lines = list(comment)
    for constant in layer.constants:
        lines += _array(f"{name}_{constant.field}", constant.c_type, constant.values)
    lines += [f"static const struct {layer.struct} {name}_parameters = {{"]
    lines += [f"    .{field} = {value}," for field, value in layer.parameters]
    lines += [f"    .{constant.field} = {name}_{constant.field}," for constant in layer.constants]
    arguments = [f"&{name}_parameters", *(_argument(tensor, plan, written=False) for tensor in layer.inputs)]
    arguments.append(_argument(layer.output, plan, written=True))
    if layer.scratch_bytes:
        arguments.append(f"(int16_t *)(void *)(arena + {plan.scratch[index]})")
    separator = ",\n" + " " * (len(layer.kernel) + 5)
    return [
        *lines,
        "};",
        f"static void {name}(void)",
        "{",
        f"    {layer.kernel}({separator.join(arguments)});",
        "}",
        "",
    ]


def _array(name: str, c_type: str, values: Sequence[int]) -> list[str]:
    per_line = _PER_LINE[c_type]
    literals = [_literal(value) for value in values]
    rows = [", ".join(literals[start : start + per_line]) for start in range(0, len(literals), per_line)]
    # Aligned for the kernels' word loads.
    head = f"static const {c_type} {name}[{len(literals)}] __attribute__((aligned(4))) = {{"
    return [head, *(f"    {row}," for row in rows), "};"]


def _literal(value: int) -> str:
    # -2147483648 is the negation of a number that no int holds.
    return "(-2147483647 - 1)" if value == -(1 << 31) else str(value)


def constants_bytes(layers: Sequence[Layer]) -> int:
    """Bytes of all constant arrays: what the model's section holds at the least."""
    widths = {"int8_t": 1, "int32_t": 4}

    def size(constant: Constant) -> int:
        return widths[constant.c_type] * len(constant.values)

    return sum(size(constant) for layer in layers for constant in layer.constants)
