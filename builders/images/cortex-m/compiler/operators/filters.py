"""Filters in the order of the kernels' innermost loops (kernels/tml_dot.h)."""

from array import array
from collections.abc import Sequence

GROUP = 4  # elements of a filter that stand together: one item of array("I")


def groups_of(elements: int) -> int:
    """Groups of one filter."""
    return -(-elements // GROUP)


def rows_of(data: memoryview, rows: int) -> list["array[int]"]:
    """The filters one by one."""
    length = len(data) // rows
    return [array("b", bytes(data[row * length : (row + 1) * length])) for row in range(rows)]


def paired(filters: Sequence["array[int]"]) -> "array[int]":
    """Groups of a filter and of its neighbour in turns; zeros fill the last group and the place of a missing filter."""
    packed = array("b")
    length = groups_of(len(filters[0])) * GROUP
    for first in range(0, len(filters), 2):
        pair = [array("I", row.tobytes().ljust(length, b"\0")) for row in filters[first : first + 2]]
        turns = array("I", bytes(2 * length))
        turns[0::2] = pair[0]
        if len(pair) == 2:
            turns[1::2] = pair[1]
        packed.frombytes(turns.tobytes())
    return packed


def even(values: Sequence[int]) -> list[int]:
    """The values, with a zero for the missing filter of an odd number."""
    return [*values, *([0] * (len(values) % 2))]
