"""Fourth pass: a fixed place in one arena for every activation and scratch buffer.

What lives at the same time does not share a byte, except where a layer allows its output to overlap an input that
ends there. A tensor that is part of another, or the same bytes, has its home there and needs no place of its own.
`compiler.placing` searches the offsets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from compiler.graph import Graph, Tensor
from compiler.layer import Below, Layer, Overlap
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


def plan(graph: Graph, layers: Sequence[Layer], kept: Sequence[Tensor] = ()) -> Plan:
    """Places the activations, each joined tensor's parts inside it unless that takes more memory than copies do.

    What is `kept` can still be read when the last layer has run.
    """
    joined = _plan(graph, layers, kept, _Homes(graph, layers, joining=True))
    if not any(layer.slots for layer in layers):
        return joined
    copied = _plan(graph, layers, kept, _Homes(graph, layers, joining=False))
    return min(joined, copied, key=lambda plan: plan.arena_bytes)


def _plan(graph: Graph, layers: Sequence[Layer], kept: Sequence[Tensor], homes: "_Homes") -> Plan:
    """Step 0 writes the inputs, step n+1 is layer n, the last reads the outputs and what is kept."""
    uses = _uses(graph, layers, kept, homes)
    owners = sorted(uses)
    scratch = [number for number, layer in enumerate(layers) if layer.scratch_bytes]
    buffers = [Buffer(graph.tensors[owner].size, min(uses[owner]), max(uses[owner])) for owner in owners]
    buffers += [Buffer(layers[number].scratch_bytes, number + 1, number + 1) for number in scratch]

    position = {owner: index for index, owner in enumerate(owners)}
    overlaps: dict[tuple[int, int], Overlap] = {}
    for number, layer in enumerate(layers):
        if layer.kernel is None or layer.output is None or layer.output.index in homes:
            continue  # what is computed inside another tensor shares its place with nothing else
        for owner, overlap in _overlaps(layer, homes).items():
            if buffers[position[owner]].last == number + 1:
                overlaps[position[layer.output.index], position[owner]] = overlap

    offsets, arena_bytes = place(buffers, overlaps)
    placed = dict(zip(owners, offsets, strict=False))
    homes_of = ((tensor.index, homes.home(tensor.index)) for tensor in graph.tensors)
    tensors = {index: placed[home.owner] + home.offset for index, home in homes_of if home.owner in placed}
    return Plan(
        tensors,
        dict(zip(scratch, offsets[len(owners) :], strict=True)),
        arena_bytes,
        lower_bound(buffers, overlaps),
    )


def _uses(graph: Graph, layers: Sequence[Layer], kept: Sequence[Tensor], homes: "_Homes") -> dict[int, list[int]]:
    """The steps that use each owner of bytes."""
    uses: dict[int, list[int]] = {}

    def use(tensor: Tensor, step: int) -> None:
        uses.setdefault(homes.home(tensor.index).owner, []).append(step)

    for tensor in graph.inputs:
        use(tensor, 0)
    for number, layer in enumerate(layers):
        for tensor in (*layer.inputs, *layer.outputs):
            if tensor.data is None:
                use(tensor, number + 1)
    for tensor in (*graph.outputs, *kept):
        if tensor.data is None:
            use(tensor, len(layers) + 1)
    return uses


@dataclass(frozen=True, slots=True)
class _Home:
    """The tensor that owns the bytes, by its index, and where in it they begin."""

    owner: int
    offset: int


class _Homes:
    """Where each tensor's bytes belong: in itself, unless a layer renames them or, joining, has a slot for them."""

    def __init__(self, graph: Graph, layers: Sequence[Layer], *, joining: bool) -> None:
        self._homes: dict[int, _Home] = {}
        for layer in layers:
            if layer.kernel is None and layer.inputs:
                for output, offset in zip_longest(layer.outputs, layer.offsets, fillvalue=0):
                    self._homes[output.index] = _Home(layer.inputs[0].index, offset)
            elif layer.output is not None and joining:
                for tensor, slot in zip(layer.inputs, layer.slots, strict=False):
                    root = self.home(tensor.index)
                    # A part of a larger tensor stays where it is, and so does what already has a slot: it is copied.
                    whole = root.offset == 0 and graph.tensors[root.owner].size == tensor.size
                    if slot is not None and tensor.data is None and whole:
                        self._homes[root.owner] = _Home(layer.output.index, slot)

    def __contains__(self, index: int) -> bool:
        return index in self._homes

    def home(self, index: int) -> _Home:
        """Where the bytes of a tensor are."""
        offset = 0
        while index in self._homes:
            offset += self._homes[index].offset
            index = self._homes[index].owner
        return _Home(index, offset)


def _overlaps(layer: Layer, homes: _Homes) -> dict[int, Overlap]:
    """How the output may overlap each owner of inputs: as the strictest of the inputs inside it allows."""
    found: dict[int, list[Overlap | None]] = {}
    for tensor, overlap in zip_longest(layer.inputs, layer.overlaps):
        if tensor.data is None:
            home = homes.home(tensor.index)
            found.setdefault(home.owner, []).append(_of_owner(overlap, home.offset))
    strictest: dict[int, Overlap] = {}
    for owner, several in found.items():
        below = [overlap for overlap in several if isinstance(overlap, Below)]
        if len(below) == len(several):
            strictest[owner] = Below(max(overlap.distance for overlap in below))
        elif len(several) == 1 and several[0] is not None:
            strictest[owner] = several[0]
    return strictest


def _of_owner(overlap: Overlap | None, offset: int) -> Overlap | None:
    """An overlap with an input, counted from where the owner of its bytes begins."""
    if isinstance(overlap, Below):
        return Below(overlap.distance - offset)
    return overlap if offset == 0 else None
