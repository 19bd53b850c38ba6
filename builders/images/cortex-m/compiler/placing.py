"""Where buffers with known lifetimes go, so that the memory in which they all lie is small.

One buffer after the other takes the place that makes the whole grow least (greedy by size: Pisarchyk and Lee,
"Efficient Memory Management for Deep Neural Net Inference", 2020; by breadth: the same); a local search then changes
the order. The search counts its steps and reads no clock: the same buffers always get the same places.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from compiler.layer import Below, Overlap, Same

ALIGNMENT = 8  # bytes; enough for every element type, and for LDRD
SEARCH_BUDGET = 600_000  # pairs of buffers looked at: about a second
Overlaps = Mapping[tuple[int, int], Overlap]
"""(output, input): how the output may overlap the input, by index of the buffer."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """Bytes that are needed from step `first` to step `last`, both included."""

    size: int
    first: int
    last: int

    def meets(self, other: "Buffer") -> bool:
        """Both are needed at some step."""
        return self.first <= other.last and other.first <= self.last


def aligned(size: int) -> int:
    """The size rounded up to whole units of ALIGNMENT."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def place(
    buffers: Sequence[Buffer], overlaps: Overlaps | None = None, budget: int = SEARCH_BUDGET
) -> tuple[list[int], int]:
    """An offset for each buffer, and the size of the arena."""
    if not buffers:
        return [], 0
    return _Search(buffers, overlaps or {}).run(budget)


def lower_bound(buffers: Sequence[Buffer], overlaps: Overlaps | None = None) -> int:
    """Bytes that some step needs at the least, counting each layer's best overlaps: no more than its whole output."""
    allowed = overlaps or {}
    shared: dict[int, int] = {}
    for (target, source), overlap in allowed.items():
        apart = max(overlap.distance, 0) if isinstance(overlap, Below) else 0
        one, other = aligned(buffers[target].size), aligned(buffers[source].size)
        saving = max(0, one + other - max(one, other + aligned(apart)))
        shared[target] = shared.get(target, 0) + saving
    saved: dict[int, int] = {}
    for target, size in shared.items():
        step = buffers[target].first
        saved[step] = saved.get(step, 0) + min(size, aligned(buffers[target].size))
    return max((size - saved.get(step, 0) for step, size in _live_bytes(buffers).items()), default=0)


def _live_bytes(buffers: Sequence[Buffer]) -> dict[int, int]:
    """Bytes needed at each step where something begins or ends."""
    change: dict[int, int] = {}
    steps: set[int] = set()
    for buffer in buffers:
        change[buffer.first] = change.get(buffer.first, 0) + aligned(buffer.size)
        change[buffer.last + 1] = change.get(buffer.last + 1, 0) - aligned(buffer.size)
        steps |= {buffer.first, buffer.last}
    live: dict[int, int] = {}
    size = 0
    for step in sorted(steps | set(change)):
        size += change.get(step, 0)
        if step in steps:
            live[step] = size
    return live


class _Search:
    """Orders of placement, tried until one reaches the lower bound or the budget is spent."""

    def __init__(self, buffers: Sequence[Buffer], overlaps: Overlaps) -> None:
        self._buffers = buffers
        self._overlaps = overlaps
        self._neighbours = _neighbours(buffers)
        self._bound = lower_bound(buffers, overlaps)

    def run(self, budget: int) -> tuple[list[int], int]:
        orders = self._orders()
        cost = sum(len(found) ** 2 for found in self._neighbours) + len(self._buffers)
        tries = max(0, budget // cost)
        best, best_size, best_order = self._place(orders[0])
        tried = 1
        for order in orders[1:]:
            if best_size <= self._bound or tried > tries:
                break
            tried += 1
            offsets, size, _ = self._place(order)
            if size < best_size:
                best, best_size, best_order = offsets, size, order
        random = Random(len(self._buffers))  # noqa: S311 - a search, not a secret
        while best_size > self._bound and tried < tries and len(best_order) > 1:
            tried += 1
            order = list(best_order)
            order.insert(random.randrange(len(order)), order.pop(self._candidate(random, order, best, best_size)))
            offsets, size, _ = self._place(order)
            if size <= best_size:
                best, best_size, best_order = offsets, size, order
        return best, best_size

    def _candidate(self, random: Random, order: list[int], offsets: list[int], size: int) -> int:
        """The position of a buffer to move: in turns one at the edge of the arena, a neighbour of such, or any."""
        kind = random.randrange(3)
        edge = [i for i in order if offsets[i] == 0 or offsets[i] + aligned(self._buffers[i].size) == size]
        chosen = random.choice(edge if kind else order)
        if kind == 1 and self._neighbours[chosen]:
            chosen = random.choice(self._neighbours[chosen])
        return order.index(chosen)

    def _orders(self) -> list[list[int]]:
        buffers = self._buffers
        indexes = range(len(buffers))
        live = _live_bytes(buffers)
        breadth = [max(live[buffer.first], live[buffer.last]) for buffer in buffers]
        return [
            sorted(indexes, key=lambda i: (-buffers[i].size, buffers[i].first, i)),
            sorted(indexes, key=lambda i: (-breadth[i], -buffers[i].size, buffers[i].first, i)),
            sorted(indexes, key=lambda i: (buffers[i].first, -buffers[i].size, i)),
            sorted(indexes, key=lambda i: (-buffers[i].last, -buffers[i].size, i)),
            sorted(indexes, key=lambda i: (buffers[i].first - buffers[i].last, -buffers[i].size, i)),
        ]

    def _place(self, order: list[int]) -> tuple[list[int], int, list[int]]:
        offsets: dict[int, int] = {}
        low = high = 0
        for index in order:
            offset = self._offset(index, offsets, low, high)
            offsets[index] = offset
            low = min(low, offset)
            high = max(high, offset + aligned(self._buffers[index].size))
        return [offsets[index] - low for index in range(len(order))], high - low, order

    def _offset(self, index: int, offsets: Mapping[int, int], low: int, high: int) -> int:
        """The start that makes the whole grow least; of these the lowest. Below zero is possible: `_place` shifts."""
        size = aligned(self._buffers[index].size)
        barred: list[tuple[int, int]] = []
        starts = {low, high - size}
        for other in self._neighbours[index]:
            if other in offsets:
                bars, more = self._barred(index, size, other, offsets[other])
                barred += bars
                starts.update(more)
        for above, below in barred:
            starts.add(above)
            starts.add(below)
        walls = _merged(barred)
        free = [start for start in starts if not _inside(walls, start)]
        return min(free, key=lambda start: (max(high, start + size) - min(low, start), start))

    def _barred(self, index: int, size: int, other: int, at: int) -> tuple[list[tuple[int, int]], list[int]]:
        """Open intervals of starts that a placed neighbour forbids, and starts worth a try."""
        before, after = at - size, at + aligned(self._buffers[other].size)
        out, into = self._overlaps.get((index, other)), self._overlaps.get((other, index))
        if isinstance(out, Same) or isinstance(into, Same):
            return [pair for pair in pairwise((before, at, after)) if pair[0] < pair[1]], [at]
        if isinstance(out, Below):  # this one is the output, at least its distance below the input
            before = max(before, (at - out.distance) // ALIGNMENT * ALIGNMENT)
        elif isinstance(into, Below):
            after = min(after, aligned(at + into.distance))
        return ([(before, after)] if before < after else []), []


def _merged(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The union of open intervals; where two only touch, the point between them stays free."""
    merged: list[tuple[int, int]] = []
    for above, below in sorted(intervals):
        if merged and above < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], below))
        else:
            merged.append((above, below))
    return merged


def _inside(walls: list[tuple[int, int]], start: int) -> bool:
    at = bisect_left(walls, (start, start))  # the first wall that begins at or after it
    return at > 0 and start < walls[at - 1][1]


def _neighbours(buffers: Sequence[Buffer]) -> list[list[int]]:
    """For each buffer those that live at some step with it."""
    found: list[list[int]] = [[] for _ in buffers]
    alive: list[int] = []
    for index in sorted(range(len(buffers)), key=lambda i: (buffers[i].first, i)):
        alive = [other for other in alive if buffers[other].last >= buffers[index].first]
        for other in alive:
            found[index].append(other)
            found[other].append(index)
        alive.append(index)
    return [sorted(item) for item in found]
