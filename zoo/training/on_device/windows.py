"""Sliding windows over pictures in operations that LiteRT knows: taken apart, and summed up again. TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


class Windows:
    """Where the windows of a convolution or a pooling lie. Pictures are [batch, height, width, channels], all fixed.

    A window's cell `k` stands for row k // width and column k % width of the kernel.
    """

    def __init__(self, shape: Sequence[int], kernel: Sequence[int], stride: Sequence[int], padding: str) -> None:
        self.shape = tuple(shape)
        self.kernel, self.stride = (int(kernel[0]), int(kernel[1])), (int(stride[0]), int(stride[1]))
        self._padding = padding
        counts, before, padded = zip(
            *(_along(self.shape[1 + i], self.kernel[i], self.stride[i], padding) for i in (0, 1)), strict=True
        )
        self.counts: tuple[int, int] = counts
        """Windows along height and width."""
        self._before, self._padded = before, padded

    def cells(self, pictures: Any, outside: float = 0.0) -> list[Any]:
        """For every cell of the kernel what it sees in each window: [batch, windows down, windows right, channels]."""
        padding = [[0, 0], *self._margins(), [0, 0]]
        padded = tf.pad(pictures, padding, constant_values=outside) if any(map(any, padding)) else pictures
        (down, right), (rows, columns) = self.stride, self.counts
        return [
            padded[:, top : top + (rows - 1) * down + 1 : down, left : left + (columns - 1) * right + 1 : right, :]
            for top, left in self._places()
        ]

    def summed(self, cells: Sequence[Any]) -> Any:
        """The transpose of `cells`: every cell added where it came from."""
        total = None
        for (top, left), cell in zip(self._places(), cells, strict=True):
            wide = self._spread(cell)
            bottom, end = self._padded[0] - top - wide.shape[1], self._padded[1] - left - wide.shape[2]
            placed = tf.pad(wide, [[0, 0], [top, bottom], [left, end], [0, 0]])
            total = placed if total is None else total + placed
        assert total is not None  # noqa: S101 - a kernel has at least one cell; this is for the type checker
        (above, left), (_, height, width, _) = self._before, self.shape
        return total[:, above : above + height, left : left + width, :]

    def sizes(self) -> Any:
        """How many cells of each window lie inside the picture: [1, windows down, windows right, 1], a constant."""
        ones = tf.ones([1, *self.shape[1:3], 1])
        return tf.add_n(Windows(ones.shape, self.kernel, self.stride, self._padding).cells(ones))

    def _places(self) -> list[tuple[int, int]]:
        return [(row, column) for row in range(self.kernel[0]) for column in range(self.kernel[1])]

    def _margins(self) -> list[list[int]]:
        return [
            [before, max(0, padded - before - size)]
            for before, padded, size in zip(self._before, self._padded, self.shape[1:3], strict=True)
        ]

    def _spread(self, cell: Any) -> Any:
        """With zeros between the rows and columns, as many as the stride jumps over."""
        batch, rows, columns, channels = cell.shape
        down, right = self.stride
        if down > 1:
            apart = tf.pad(tf.reshape(cell, [batch * rows, 1, columns * channels]), [[0, 0], [0, down - 1], [0, 0]])
            cell = tf.reshape(apart, [batch, rows * down, columns, channels])[:, : (rows - 1) * down + 1]
            rows = cell.shape[1]
        if right > 1:
            apart = tf.pad(tf.reshape(cell, [batch * rows * columns, 1, channels]), [[0, 0], [0, right - 1], [0, 0]])
            cell = tf.reshape(apart, [batch, rows, columns * right, channels])[:, :, : (columns - 1) * right + 1]
        return cell


def _along(size: int, kernel: int, stride: int, padding: str) -> tuple[int, int, int]:
    """Number of windows, zeros before, and the padded size along one axis, as TensorFlow lays them out."""
    if padding == "valid":
        return (size - kernel) // stride + 1, 0, size
    count = -(-size // stride)
    missing = max((count - 1) * stride + kernel - size, 0)
    return count, missing // 2, size + missing
