"""The layers that learn on a device, each forwards and backwards in LiteRT's built-in operators. TensorFlow.

TensorFlow's own gradients of a ReLU, a convolution or a pooling become operators that only its Flex library has, and no
LiteRT of today ships that. Here every gradient is written out, so that a trainable file needs nothing beside LiteRT.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import tensorflow as tf

from zoo.training.on_device.windows import Windows

Back = Callable[[Any], tuple[Any, list[Any]]]
"""From the gradient of the output to the gradients of the input and of each weight."""

_LOWEST = -3.0e38
"""What lies outside of a picture for a maximum; an infinity in a constant becomes a NaN where it meets a zero."""


class Operation(Protocol):
    """One layer."""

    @property
    def weights(self) -> Sequence[Any]:
        """Its variables, in Keras' order."""
        ...

    def forward(self, x: Any) -> tuple[Any, Back]:
        """The output, and the way back."""
        ...


class Dense:
    """x W + b over the last axis."""

    def __init__(self, kernel: Any, bias: Any | None) -> None:
        self.weights = [kernel] if bias is None else [kernel, bias]

    def forward(self, x: Any) -> tuple[Any, Back]:
        """See Operation."""
        kernel = self.weights[0].read_value()
        rows = tf.reshape(x, [-1, x.shape[-1]]) if len(x.shape) > 2 else x
        y = tf.matmul(rows, kernel)
        if len(self.weights) > 1:
            y += self.weights[1].read_value()

        def back(g: Any) -> tuple[Any, list[Any]]:
            flat = tf.reshape(g, [rows.shape[0], kernel.shape[1]])
            found = [tf.matmul(rows, flat, transpose_a=True), tf.reduce_sum(flat, 0)]
            return tf.reshape(tf.matmul(flat, kernel, transpose_b=True), x.shape), found[: len(self.weights)]

        return tf.reshape(y, [*x.shape[:-1], kernel.shape[1]]), back


class Convolution:
    """A 2D convolution, kernel [height, width, in, out]."""

    def __init__(self, kernel: Any, bias: Any | None, stride: Sequence[int], padding: str) -> None:
        self.weights = [kernel] if bias is None else [kernel, bias]
        self._stride, self._padding = stride, padding

    def forward(self, x: Any) -> tuple[Any, Back]:
        """See Operation."""
        kernel = self.weights[0].read_value()
        y = tf.nn.conv2d(x, kernel, self._stride, self._padding.upper())
        if len(self.weights) > 1:
            y += self.weights[1].read_value()

        def back(g: Any) -> tuple[Any, list[Any]]:
            windows = Windows(x.shape, kernel.shape[:2], self._stride, self._padding)
            taken, given = kernel.shape[2:]
            cells = math.prod(windows.kernel)
            flat = tf.reshape(g, [-1, given])
            seen = tf.reshape(tf.concat(windows.cells(x), -1), [-1, cells * taken])
            of_kernel = tf.reshape(tf.matmul(seen, flat, transpose_a=True), kernel.shape)
            sent = tf.matmul(flat, tf.reshape(kernel, [cells * taken, given]), transpose_b=True)
            parts = tf.split(tf.reshape(sent, [*g.shape[:3], cells * taken]), cells, -1)
            return windows.summed(parts), [of_kernel, tf.reduce_sum(flat, 0)][: len(self.weights)]

        return y, back


class DepthwiseConvolution:
    """A 2D convolution of each channel by itself, kernel [height, width, channels, 1]."""

    def __init__(self, kernel: Any, bias: Any | None, stride: Sequence[int], padding: str) -> None:
        self.weights = [kernel] if bias is None else [kernel, bias]
        self._stride, self._padding = stride, padding

    def forward(self, x: Any) -> tuple[Any, Back]:
        """See Operation."""
        kernel = self.weights[0].read_value()
        y = tf.nn.depthwise_conv2d(x, kernel, [1, *self._stride, 1], self._padding.upper())
        if len(self.weights) > 1:
            y += self.weights[1].read_value()

        def back(g: Any) -> tuple[Any, list[Any]]:
            windows = Windows(x.shape, kernel.shape[:2], self._stride, self._padding)
            channels = kernel.shape[2]
            each = tf.split(tf.reshape(kernel, [-1, channels]), math.prod(windows.kernel), 0)
            of_kernel = tf.stack([tf.reduce_sum(cell * g, [0, 1, 2]) for cell in windows.cells(x)])
            found = [tf.reshape(of_kernel, kernel.shape), tf.reduce_sum(g, [0, 1, 2])]
            parts = [g * tf.reshape(weights, [1, 1, 1, channels]) for weights in each]
            return windows.summed(parts), found[: len(self.weights)]

        return y, back


class Normalisation:
    """Batch normalisation by the averages of the training before: a device's own batches are too few and too alike.

    The scale and the offset of each channel go on learning.
    """

    def __init__(self, scale: Any, offset: Any, mean: Any, variance: Any, epsilon: float) -> None:
        self.weights = [scale, offset]
        self._mean, self._inverse = tf.constant(mean), tf.constant(1 / (variance + epsilon) ** 0.5)

    def forward(self, x: Any) -> tuple[Any, Back]:
        """See Operation."""
        scale, offset = (weight.read_value() for weight in self.weights)
        standard = (x - self._mean) * self._inverse

        def back(g: Any) -> tuple[Any, list[Any]]:
            others = list(range(len(x.shape) - 1))
            return g * (scale * self._inverse), [tf.reduce_sum(g * standard, others), tf.reduce_sum(g, others)]

        return standard * scale + offset, back


class MaxPooling:
    """The largest of each window; of equal ones the first learns, as TensorFlow has it."""

    weights: Sequence[Any] = ()

    def __init__(self, pool: Sequence[int], stride: Sequence[int], padding: str) -> None:
        self._pool, self._stride, self._padding = pool, stride, padding

    def forward(self, x: Any) -> tuple[Any, Back]:
        """See Operation."""
        y = tf.nn.max_pool2d(x, self._pool, self._stride, self._padding.upper())

        def back(g: Any) -> tuple[Any, list[Any]]:
            windows = Windows(x.shape, self._pool, self._stride, self._padding)
            left, parts = g, []
            for cell in windows.cells(x, _LOWEST):
                is_largest = tf.cast(tf.equal(cell, y), tf.float32)
                parts.append(left * is_largest)
                left *= 1 - is_largest
            return windows.summed(parts), []

        return y, back


class AveragePooling:
    """The mean of each window, of the part of it that lies inside the picture."""

    weights: Sequence[Any] = ()

    def __init__(self, pool: Sequence[int], stride: Sequence[int], padding: str) -> None:
        self._pool, self._stride, self._padding = pool, stride, padding

    def forward(self, x: Any) -> tuple[Any, Back]:
        """See Operation."""
        y = tf.nn.avg_pool2d(x, self._pool, self._stride, self._padding.upper())

        def back(g: Any) -> tuple[Any, list[Any]]:
            windows = Windows(x.shape, self._pool, self._stride, self._padding)
            return windows.summed([g / windows.sizes()] * math.prod(windows.kernel)), []

        return y, back


class GlobalAverage:
    """The mean of each channel."""

    weights: Sequence[Any] = ()

    def forward(self, x: Any) -> tuple[Any, Back]:
        """See Operation."""
        cells = x.shape[1] * x.shape[2]

        def back(g: Any) -> tuple[Any, list[Any]]:
            return tf.reshape(g / cells, [x.shape[0], 1, 1, x.shape[3]]) * tf.ones([1, *x.shape[1:3], 1]), []

        return tf.reduce_mean(x, [1, 2]), back


class ZeroPadding:
    """Zeros around a picture; `margins` are [[above, below], [left, right]]."""

    weights: Sequence[Any] = ()

    def __init__(self, margins: Sequence[Sequence[int]]) -> None:
        self._margins = margins

    def forward(self, x: Any) -> tuple[Any, Back]:
        """See Operation."""
        (above, below), (left, right) = self._margins
        _, height, width, _ = x.shape

        def back(g: Any) -> tuple[Any, list[Any]]:
            return g[:, above : above + height, left : left + width, :], []

        return tf.pad(x, [[0, 0], [above, below], [left, right], [0, 0]]), back


class Reshape:
    """The same numbers in another shape; without one in a row."""

    weights: Sequence[Any] = ()

    def __init__(self, shape: Sequence[int] | None = None) -> None:
        self._shape = shape

    def forward(self, x: Any) -> tuple[Any, Back]:
        """See Operation."""
        shape = self._shape or [math.prod(x.shape[1:])]
        return tf.reshape(x, [x.shape[0], *shape]), lambda g: (tf.reshape(g, x.shape), [])


class Activation:
    """A function of each number, or softmax over the last axis."""

    weights: Sequence[Any] = ()

    def __init__(self, function: str) -> None:
        self.function = function
        self._forward, self._slope = ACTIVATIONS[function]

    def forward(self, x: Any) -> tuple[Any, Back]:
        """See Operation."""
        y = self._forward(x)
        return y, lambda g: (self._slope(y, g), [])


def _step(condition: Any) -> Any:
    return tf.cast(condition, tf.float32)


ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {
    "linear": (tf.identity, lambda _, g: g),
    "relu": (tf.nn.relu, lambda y, g: g * _step(y > 0)),
    "relu6": (tf.nn.relu6, lambda y, g: g * _step(y > 0) * _step(y < 6)),
    "sigmoid": (tf.sigmoid, lambda y, g: g * y * (1 - y)),
    "tanh": (tf.tanh, lambda y, g: g * (1 - y * y)),
    "softmax": (tf.nn.softmax, lambda y, g: y * (g - tf.reduce_sum(g * y, -1, keepdims=True))),
}
"""By name: the function, and from its output and the gradient of that to the gradient of its input."""
