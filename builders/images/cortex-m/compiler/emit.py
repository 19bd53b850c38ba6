"""Last pass: readable C99. One parameter struct and one function for each layer, one header for the caller."""

from collections.abc import Iterable, Sequence

from compiler.graph import Graph, Node, Tensor
from compiler.head import Head
from compiler.layer import WIDTHS, Constant, Layer, State
from compiler.plan import Plan

_PER_LINE = {"int8_t": 24, "uint8_t": 24, "int16_t": 16, "uint16_t": 16, "int32_t": 10}


def emit(graph: Graph, layers: Sequence[Layer], plan: Plan, head: Head | None = None) -> dict[str, str]:
    """The generated files by name: `model.h` and `model.c`."""
    return {"model.h": _header(graph, layers, plan, head), "model.c": _source(graph, layers, plan, head)}


def _header(graph: Graph, layers: Sequence[Layer], plan: Plan, head: Head | None) -> str:
    lines = [
        "/* The compiled model: write model_inputs, call model_invoke, read model_outputs. Generated. */",
        "#ifndef MODEL_H",
        "#define MODEL_H",
        "",
        "#include <stdint.h>",
        "",
        f"#define MODEL_ARENA_BYTES {plan.arena_bytes}",
        f"#define MODEL_STATE_BYTES {states_bytes(layers)} /* kept from one inference to the next */",
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
        "/* Brings back the state of the first inference: call it before that, and between two sequences. */",
        "void model_reset(void);",
        "",
        "/* Runs the model once; the inputs' bytes may be overwritten. Returns 0. */",
        "int model_invoke(void);",
        "",
        "/* The same as model_invoke, layer by layer, to be measured. Where nothing reads it the linker drops it. */",
        f"#define MODEL_LAYERS {sum(layer.kernel is not None for layer in layers)}",
        "struct model_layer {",
        "    uint32_t index;",
        "    const char *name;",
        "    void (*run)(void);",
        "};",
        "extern const struct model_layer model_layers[];",
        "",
        *(_head_declarations(head) if head else ()),
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def _source(graph: Graph, layers: Sequence[Layer], plan: Plan, head: Head | None) -> str:
    headers = sorted({"tml_specialise.h", *(layer.header for layer in layers if layer.kernel is not None)})
    lines = [
        "/* The model's constants and calls. Generated. */",
        '#include "model.h"',
        "",
        *(f'#include "{header}"' for header in headers),
        "",
        f"static uint8_t arena[{max(plan.arena_bytes, 1)}] __attribute__((aligned(8)));",
        *(line for state in _states(layers) for line in _state(state)),
        "",
    ]
    for tensor in _activation_constants(graph, layers):
        values = memoryview(tensor.data or b"").cast("b")
        lines += [f"/* {tensor.label} */", *_array(_address(tensor, plan), "int8_t", values), ""]
    called: list[tuple[int, str, str]] = []
    arrays: Arrays = {}
    for index, (node, layer) in enumerate(zip(graph.nodes, layers, strict=True)):
        lines += _layer(index, node, layer, plan, arrays)
        if layer.kernel is not None:
            called.append((index, node.kind, _function(index, node)))
    calls = [f"    {function}();" for _, _, function in called]
    resets = [_reset(state) for state in _states(layers)]
    lines += ["void model_reset(void)", "{", *resets, "}", ""]
    lines += ["int model_invoke(void)", "{", *calls, "    return 0;", "}", ""]
    rows = [f'    {{{index}, "{kind}", {function}}},' for index, kind, function in called]
    # An array has at least one element in C.
    lines += ["const struct model_layer model_layers[] = {", *(rows or ["    {0, 0, 0},"]), "};", ""]
    for what, tensors, qualifier in (("input", graph.inputs, ""), ("output", graph.outputs, "const ")):
        size = f"MODEL_{what.upper()}S"
        lines += [
            f"{qualifier}void *const model_{what}s[{size}] = {{{', '.join(_address(t, plan) for t in tensors)}}};",
            f"const uint32_t model_{what}_bytes[{size}] = {{{', '.join(str(t.size) for t in tensors)}}};",
        ]
    lines += _head_constants(head, plan) if head else []
    return "\n".join(lines) + "\n"


def _head_declarations(head: Head) -> list[str]:
    """What image.c tells the OS of the head."""
    numbers = {
        "FEATURES": head.features.elements,
        "FEATURE_SCALE": _real(head.features_scale),
        "FEATURE_ZERO_POINT": head.features_zero_point,
        "OUTPUTS": head.outputs,
        "OUTPUT_SCALE": _real(head.output_scale),
        "OUTPUT_ZERO_POINT": head.output_zero_point,
        "SOFTMAX": int(head.softmax),
    }
    return [
        "/* The head: what it reads lies in model_features after an inference; its weights by output. */",
        *(f"#define MODEL_HEAD_{name} {value}" for name, value in numbers.items()),
        "extern const int8_t *const model_features;",
        "extern const int8_t model_head_weights[MODEL_HEAD_OUTPUTS * MODEL_HEAD_FEATURES];",
        "extern const float model_head_scales[MODEL_HEAD_OUTPUTS];",
        "extern const int32_t model_head_bias[MODEL_HEAD_OUTPUTS];",
        "",
    ]


def _head_constants(head: Head, plan: Plan) -> list[str]:
    scales = ", ".join(map(_real, head.scales))
    return [
        f"const int8_t *const model_features = {_argument(head.features, plan, written=False)};",
        *_array("model_head_weights", "int8_t", head.weights, linkage=""),
        f"const float model_head_scales[{head.outputs}] = {{{scales}}};",
        *_array("model_head_bias", "int32_t", head.bias, linkage=""),
        "",
    ]


def _real(value: float) -> str:
    """A float32 literal without a rounding."""
    return f"{value.hex()}f"


def _states(layers: Sequence[Layer]) -> Iterable[State]:
    return {state.name: state for layer in layers for state in layer.states}.values()


def _state(state: State) -> list[str]:
    initial = _array(f"{state.name}_initial", state.c_type, state.initial) if _is_mixed(state) else []
    return [f"static {state.c_type} {state.name}[{state.count}] __attribute__((aligned(8)));", *initial]


def _is_mixed(state: State) -> bool:
    """It does not begin with the same byte all over."""
    return len(set(state.initial)) > (WIDTHS[state.c_type] == 1)


def _reset(state: State) -> str:
    if _is_mixed(state):
        return f"    __builtin_memcpy({state.name}, {state.name}_initial, sizeof {state.name});"
    fill = state.initial[0] if state.initial else state.fill
    return f"    __builtin_memset({state.name}, {fill}, sizeof {state.name});"


def _activation_constants(graph: Graph, layers: Sequence[Layer]) -> Iterable[Tensor]:
    """Constants that kernels read as activations, and those that the graph gives out."""
    read = (tensor for layer in layers if layer.kernel is not None for tensor in layer.inputs)
    found = {tensor.index: tensor for tensor in (*read, *graph.outputs) if tensor.data is not None}
    return found.values()


def _address(tensor: Tensor, plan: Plan) -> str:
    return f"tensor_{tensor.index}" if tensor.data is not None else f"arena + {plan.tensors[tensor.index]}"


def _argument(tensor: Tensor, plan: Plan, *, written: bool) -> str:
    const = "" if written else "const "
    c_type = tensor.dtype.c_name
    if tensor.data is not None:
        return (
            _address(tensor, plan) if c_type == "int8_t" else f"(const {c_type} *)(const void *)tensor_{tensor.index}"
        )
    return f"({const}{c_type} *)(void *)({_address(tensor, plan)})"


def _arguments(tensors: Sequence[Tensor], plan: Plan, *, written: bool, array: bool) -> list[str]:
    found = [_argument(tensor, plan, written=written) for tensor in tensors]
    c_type = "int8_t *const" if written else "const int8_t *const"
    return [f"({c_type}[]){{{', '.join(found)}}}"] if array else found


def _function(index: int, node: Node) -> str:
    return f"layer_{index}_{node.kind.lower()}"


_Array = tuple[str, tuple[int, ...]]
"""What makes two arrays one: type and values."""

Arrays = dict[_Array, str]
"""The names of the shared arrays so far."""

_SHARED_BYTES = 64  # of arrays that layers share: the steps of an unrolled recurrent layer have the same weights


def _bytes(constant: Constant) -> int:
    return WIDTHS[constant.c_type] * len(constant.values)


def _shared(constant: Constant) -> _Array | None:
    return (constant.c_type, tuple(constant.values)) if _bytes(constant) >= _SHARED_BYTES else None


def _named(function: str, constants: Sequence[Constant], arrays: Arrays) -> tuple[dict[str, str], list[str]]:
    """The name of each constant's array, by field, and the lines of those that no layer had before."""
    names: dict[str, str] = {}
    lines: list[str] = []
    for constant in constants:
        name = own = f"{function}_{constant.field.replace('.', '_')}"
        if (array := _shared(constant)) is not None:
            name = arrays.setdefault(array, own)
        names[constant.field] = name
        if name == own:
            lines += _array(own, constant.c_type, constant.values)
    return names, lines


def _layer(index: int, node: Node, layer: Layer, plan: Plan, arrays: Arrays) -> list[str]:
    sources = ", ".join(tensor.label for tensor in layer.inputs) or "nothing"
    targets = ", ".join(tensor.label for tensor in layer.outputs) or "nothing"
    comment = [f"/* layer {index}: {node.kind}", f"   from {sources}", f"   to {targets} */"]
    if layer.kernel is None:
        return [*comment, "/* the same bytes */" if layer.outputs else "/* nothing to run */", ""]
    name = _function(index, node)
    names, declared = _named(name, layer.constants, arrays)
    lines = [*comment, *declared]
    lines += [f"static const struct {layer.struct} {name}_parameters = {{"]
    lines += [f"    .{field} = {_value(value)}," for field, value in layer.parameters]
    lines += [f"    .{field} = {array}," for field, array in names.items()]
    arguments = [f"&{name}_parameters"]
    arguments += _arguments(layer.inputs, plan, written=False, array=layer.input_array)
    arguments += _arguments(layer.outputs, plan, written=True, array=layer.output_array)
    arguments += [state.name for state in layer.states]
    if layer.scratch_bytes:
        arguments.append(f"(int16_t *)(void *)(arena + {plan.scratch[index]})")
    separator = ",\n" + " " * (len(layer.kernel) + 5)
    return [
        *lines,
        "};",
        f"TML_LAYER void {name}(void)",
        "{",
        f"    {layer.kernel}({separator.join(arguments)});",
        "}",
        "",
    ]


def _array(name: str, c_type: str, values: Sequence[int], *, linkage: str = "static ") -> list[str]:
    per_line = _PER_LINE[c_type]
    literals = [_literal(value) for value in values]
    rows = [", ".join(literals[start : start + per_line]) for start in range(0, len(literals), per_line)]
    # Aligned for the kernels' loads of two words.
    head = f"{linkage}const {c_type} {name}[{len(literals)}] __attribute__((aligned(8))) = {{"
    return [head, *(f"    {row}," for row in rows), "};"]


def _value(value: int | str) -> str:
    return value if isinstance(value, str) else _literal(value)


def _literal(value: int) -> str:
    # -2147483648 is the negation of a number that no int holds.
    return "(-2147483647 - 1)" if value == -(1 << 31) else str(value)


def states_bytes(layers: Sequence[Layer]) -> int:
    """Bytes of RAM beside the arena."""
    return sum(state.bytes for state in _states(layers))


def constants_bytes(layers: Sequence[Layer]) -> int:
    """Bytes of all constant arrays: what the model's section holds at the least."""
    initial = sum(state.bytes for state in _states(layers) if _is_mixed(state))
    shared: dict[_Array, int] = {}
    own = 0
    for constant in (constant for layer in layers for constant in layer.constants):
        if (array := _shared(constant)) is not None:
            shared[array] = _bytes(constant)
        else:
            own += _bytes(constant)
    return initial + sum(shared.values()) + own
