"""Third pass: a fixed place in one arena for every activation and scratch buffer.

Greedy by size: the largest buffer first, each at the lowest offset where no buffer alive at the same time lies
(Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.graph import Graph, Tensor
from compiler.layer import Layer

ALIGNMENT = 8  # bytes; enough for every element type, and for LDRD


@dataclass(frozen=True, slots=True)
class Buffer:
    """Bytes that are needed from step `first` to step `last`, both included."""

    size: int
    first: int
    last: int

    def meets(self, other: "Buffer") -> bool:
        """Both are needed at some step."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, slots=True)
class Plan:
    """Offsets in the arena: by tensor index, and of each layer's scratch by layer index."""

    tensors: dict[int, int]
    scratch: dict[int, int]
    arena_bytes: int


def place(buffers: Sequence[Buffer]) -> tuple[list[int], int]:
    """An offset for each buffer, and the size of the arena."""
    offsets = [0] * len(buffers)
    placed: list[int] = []
    for index in sorted(range(len(buffers)), key=lambda i: (-buffers[i].size, buffers[i].first, i)):
        buffer = buffers[index]
        offset = 0
        for other in sorted((i for i in placed if buffers[i].meets(buffer)), key=lambda i: offsets[i]):
            if offset + buffer.size <= offsets[other]:
                break
            offset = max(offset, _aligned(offsets[other] + buffers[other].size))
        offsets[index] = offset
        placed.append(index)
    end = max((offset + buffer.size for offset, buffer in zip(offsets, buffers, strict=True)), default=0)
    return offsets, _aligned(end)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def plan(graph: Graph, layers: Sequence[Layer]) -> Plan:
    """Places the activations. Step 0 writes the inputs, step n+1 is layer n, the last reads the outputs."""
    origin = _origins(layers)
    end = len(layers) + 1
    uses: dict[int, list[int]] = {}
    sizes: dict[int, int] = {}

    def use(tensor: Tensor, step: int) -> None:
        owner = origin.get(tensor.index, tensor.index)
        uses.setdefault(owner, []).append(step)
        sizes[owner] = tensor.size  # an alias has its origin's size

    for tensor in graph.inputs:
        use(tensor, 0)
    for number, layer in enumerate(layers):
        for tensor in (*layer.inputs, layer.output):
            if tensor.data is None:
                use(tensor, number + 1)
    for tensor in graph.outputs:
        use(tensor, end)

    owners = sorted(uses)
    scratch = [number for number, layer in enumerate(layers) if layer.scratch_bytes]
    buffers = [Buffer(sizes[owner], min(uses[owner]), max(uses[owner])) for owner in owners]
    buffers += [Buffer(layers[number].scratch_bytes, number + 1, number + 1) for number in scratch]
    offsets, arena_bytes = place(buffers)
    tensors = dict(zip(owners, offsets, strict=False))
    for alias, owner in origin.items():
        tensors[alias] = tensors[owner]
    return Plan(tensors, dict(zip(scratch, offsets[len(owners) :], strict=True)), arena_bytes)


def _origins(layers: Sequence[Layer]) -> dict[int, int]:
    """For each tensor that only renames another: the index of the tensor that owns the bytes."""
    origin: dict[int, int] = {}
    for layer in layers:
        if layer.kernel is None:
            source = layer.inputs[0].index
            origin[layer.output.index] = origin.get(source, source)
    return origin
