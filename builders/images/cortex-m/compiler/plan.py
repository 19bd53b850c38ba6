"""Fourth pass: a fixed place in one arena for every activation and scratch buffer.

What lives at the same time does not share a byte, except where a layer allows its output to overlap an input that
ends there. `compiler.placing` searches the offsets.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.graph import Graph, Tensor
from compiler.layer import Layer, Overlap
from compiler.placing import Buffer, lower_bound, place


@dataclass(frozen=True, slots=True)
class Plan:
    """Offsets in the arena: by tensor index, and of each layer's scratch by layer index.

    `lower_bound_bytes`: no arena can be smaller, because some layer needs that much at once.
    """

    tensors: dict[int, int]
    scratch: dict[int, int]
    arena_bytes: int
    lower_bound_bytes: int = 0


def plan(graph: Graph, layers: Sequence[Layer]) -> Plan:
    """Places the activations. Step 0 writes the inputs, step n+1 is layer n, the last reads the outputs."""
    origin = _origins(layers)
    uses, sizes = _uses(graph, layers, origin)
    owners = sorted(uses)
    scratch = [number for number, layer in enumerate(layers) if layer.scratch_bytes]
    buffers = [Buffer(sizes[owner], min(uses[owner]), max(uses[owner])) for owner in owners]
    buffers += [Buffer(layers[number].scratch_bytes, number + 1, number + 1) for number in scratch]

    position = {owner: index for index, owner in enumerate(owners)}
    overlaps: dict[tuple[int, int], Overlap] = {}
    for number, layer in enumerate(layers):
        if layer.kernel is None or layer.output is None:
            continue
        target = position[layer.output.index]
        for tensor, overlap in zip(layer.inputs, layer.overlaps, strict=False):
            if overlap is None or tensor.data is not None:
                continue
            source = position[origin.get(tensor.index, tensor.index)]
            if buffers[source].last == number + 1:
                overlaps[target, source] = overlap

    offsets, arena_bytes = place(buffers, overlaps)
    tensors = dict(zip(owners, offsets, strict=False))
    for alias, owner in origin.items():
        tensors[alias] = tensors[owner]
    return Plan(
        tensors,
        dict(zip(scratch, offsets[len(owners) :], strict=True)),
        arena_bytes,
        lower_bound(buffers, overlaps),
    )


def _uses(graph: Graph, layers: Sequence[Layer], origin: dict[int, int]) -> tuple[dict[int, list[int]], dict[int, int]]:
    """The steps that use each owner of bytes, and its size."""
    uses: dict[int, list[int]] = {}
    sizes: dict[int, int] = {}

    def use(tensor: Tensor, step: int) -> None:
        owner = origin.get(tensor.index, tensor.index)
        uses.setdefault(owner, []).append(step)
        sizes[owner] = tensor.size  # an alias has its origin's size

    for tensor in graph.inputs:
        use(tensor, 0)
    for number, layer in enumerate(layers):
        for tensor in (*layer.inputs, *layer.outputs):
            if tensor.data is None:
                use(tensor, number + 1)
    for tensor in graph.outputs:
        if tensor.data is None:
            use(tensor, len(layers) + 1)
    return uses, sizes


def _origins(layers: Sequence[Layer]) -> dict[int, int]:
    """For each tensor that only renames another: the index of the tensor that owns the bytes."""
    origin: dict[int, int] = {}
    for layer in layers:
        if layer.kernel is None and layer.inputs and layer.output is not None:
            source = layer.inputs[0].index
            origin[layer.output.index] = origin.get(source, source)
    return origin
