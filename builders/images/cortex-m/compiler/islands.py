"""Between the passes: what the converter left in float32 between a DEQUANTIZE and a QUANTIZE becomes int8.

An operator of one tensor makes of each int8 what a function of one byte makes of it, which is computed here in float32,
for each of the 256. One that only moves elements moves them as int8 as well, and the QUANTIZE behind it is such a
function.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from compiler.graph import DType, Graph, Node, Tensor
from compiler.operators.elementwise import FLOAT_STEPS, NOTHING

MOVES = {"RESHAPE": 0, "SPLIT": 1, "STRIDED_SLICE": 0, "TRANSPOSE": 0}
"""Which input is moved."""


def fuse_islands(graph: Graph) -> Graph:
    """The graph with these operators from int8 to int8, and without what nothing reads any more."""
    graph = _moved(graph)
    writers = {tensor.index: node for node in graph.nodes for tensor in node.outputs}
    readers = _readers(graph)
    nodes: list[Node] = []
    for node in graph.nodes:
        step = _writer(writers, node, "QUANTIZE")
        begin = _writer(writers, step, *FLOAT_STEPS) if step is not None else None
        if step is None or begin is None or begin.kind != "DEQUANTIZE" or readers[step.output.index] != 1:
            nodes.append(node)
        else:
            nodes.append(replace(step, inputs=begin.inputs, outputs=node.outputs, options=FLOAT_STEPS[step.kind]))
            readers[step.output.index] -= 1
            readers[begin.output.index] -= 1
    floats = {"DEQUANTIZE", *FLOAT_STEPS}
    return replace(graph, nodes=tuple(node for node in nodes if node.kind not in floats or _is_read(node, readers)))


def _moved(graph: Graph) -> Graph:
    """Moves of dequantised tensors that are quantised at once, as moves of int8."""
    quantised = _only_quantised(graph)
    stored: dict[int, Tensor] = {}  # by the float32 tensor's index
    nodes: list[Node] = []
    for node in graph.nodes:
        place = MOVES.get(node.kind, 0)
        source = node.inputs[place] if place < len(node.inputs) else None
        whole = stored.get(source.index) if source is not None and source.dtype is DType.FLOAT32 else None
        if node.kind == "DEQUANTIZE" and source is not None and source.dtype is DType.INT8 and len(node.outputs) == 1:
            stored[node.output.index] = source
        elif whole is not None and node.kind in MOVES and quantised.issuperset(t.index for t in node.outputs):
            outputs = tuple(replace(t, dtype=DType.INT8, quantization=whole.quantization) for t in node.outputs)
            stored |= {tensor.index: tensor for tensor in outputs}
            inputs = (*node.inputs[:place], whole, *node.inputs[place + 1 :])
            nodes.append(replace(node, inputs=inputs, outputs=outputs))
            continue
        elif whole is not None and node.kind == "QUANTIZE" and source is not None and source.index in quantised:
            nodes.append(replace(node, inputs=(whole,), options=NOTHING))
            continue
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def _only_quantised(graph: Graph) -> set[int]:
    """The outputs of moves that nothing but QUANTIZE reads."""
    moved = {tensor.index for node in graph.nodes if node.kind in MOVES for tensor in node.outputs}
    others = {
        tensor.index for node in graph.nodes if node.kind != "QUANTIZE" for tensor in node.inputs if tensor is not None
    }
    return moved - others - {tensor.index for tensor in graph.outputs}


def _readers(graph: Graph) -> Counter[int]:
    readers = Counter(tensor.index for node in graph.nodes for tensor in node.inputs if tensor is not None)
    readers.update(tensor.index for tensor in graph.outputs)
    return readers


def _is_read(node: Node, readers: Mapping[int, int]) -> bool:
    return any(readers[tensor.index] > 0 for tensor in node.outputs)


def _writer(writers: Mapping[int, Node], node: Node, *kinds: str) -> Node | None:
    """What wrote the one float32 input of a node of one of these kinds."""
    if node.kind not in kinds or len(node.inputs) != 1 or len(node.outputs) != 1:
        return None
    tensor: Tensor | None = node.inputs[0]
    if tensor is None or tensor.dtype is not DType.FLOAT32 or tensor.index not in writers:
        return None
    found = writers[tensor.index]
    return found if len(found.inputs) == len(found.outputs) == 1 else None
