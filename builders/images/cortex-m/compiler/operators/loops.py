"""Walks over one or two tensors in the order of the output, as the fewest nested loops (kernels/tml_rows.h)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod


@dataclass(frozen=True, slots=True)
class Loop:
    """One dimension: how often it turns, and how many elements both operands step each time, 0 where one repeats."""

    size: int
    steps: tuple[int, int]


def contiguous_steps(shape: Sequence[int]) -> tuple[int, ...]:
    """Elements from one index to the next along each dimension."""
    steps: list[int] = []
    step = 1
    for size in reversed(shape):
        steps.append(step)
        step *= size
    return tuple(reversed(steps))


def merged(loops: Sequence[Loop]) -> list[Loop]:
    """The same walk with loops that turn once left out, and neighbours joined where all operands step on evenly."""
    found: list[Loop] = []
    for loop in loops:
        if loop.size == 1:
            continue
        one, other = loop.steps
        if found and found[-1].steps == (one * loop.size, other * loop.size):
            found[-1] = Loop(found[-1].size * loop.size, loop.steps)
        else:
            found.append(loop)
    return found or [Loop(1, (1, 1))]


def row_parameters(loops: Sequence[Loop]) -> tuple[tuple[str, int | str], ...]:
    """The members of `struct tml_rows`: the last loop runs inside a row, the others lead from row to row."""
    *outer, inner = loops
    parameters: list[tuple[str, int | str]] = [
        ("rows.count", prod(loop.size for loop in outer)),
        ("rows.loops", len(outer)),
        ("rows.columns", inner.size),
        ("rows.step_1", inner.steps[0]),
        ("rows.step_2", inner.steps[1]),
    ]
    for level, loop in enumerate(outer):
        parameters += [
            (f"rows.sizes[{level}]", loop.size),
            (f"rows.steps_1[{level}]", loop.steps[0]),
            (f"rows.steps_2[{level}]", loop.steps[1]),
        ]
    return tuple(parameters)
