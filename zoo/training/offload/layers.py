"""The layers of an nntrainer .ini that are known here: their options, output, and weights in both layouts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from zoo.training.offload.section import Section

ACTIVATIONS = ("relu", "sigmoid", "tanh", "softmax", "none")
INITIALISERS = {
    "xavier_uniform": "glorot_uniform",
    "xavier_normal": "glorot_normal",
    "he_uniform": "he_uniform",
    "he_normal": "he_normal",
    "lecun_uniform": "lecun_uniform",
    "lecun_normal": "lecun_normal",
    "zeros": "zeros",
    "ones": "ones",
}
"""nntrainer's names, and Keras'."""

_COMMON = ("type", "input_layers")
_LEARNT = ("activation", "weight_initializer", "bias_initializer", "disable_bias")


@dataclass(frozen=True, eq=False)
class Tensor:
    """An output: (height, width, channels) without an order, or (values,) with nntrainer's order of Keras' values."""

    shape: tuple[int, ...]
    order: NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False)
class Weight:
    """One weight: its shape in a .bin and in Keras.

    A convolution's kernel is stored OIHW and is HWIO in Keras; a dense kernel's rows are stored in nntrainer's `order`
    of the values before it. `place` is its place among the weights of the Keras layer.
    """

    stored: tuple[int, ...]
    place: int
    kernel: bool = False
    order: NDArray[np.int64] | None = None

    def to_keras(self, stored: NDArray[np.float32]) -> NDArray[np.float32]:
        """From the .bin's layout."""
        if self.kernel:
            return np.ascontiguousarray(stored.transpose(2, 3, 1, 0))
        if self.order is not None:
            rows = np.empty_like(stored)
            rows[self.order] = stored
            return rows
        return stored

    def to_stored(self, weight: NDArray[np.float32]) -> NDArray[np.float32]:
        """To the .bin's layout."""
        if self.kernel:
            return np.ascontiguousarray(weight.transpose(3, 2, 0, 1))
        return weight if self.order is None else weight[self.order]


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer; `weights` are in the order of the .bin, `options` in words of the Keras layer that is made of it."""

    name: str
    type: str
    inputs: tuple[str, ...]
    output: Tensor
    activation: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    weights: tuple[Weight, ...] = ()


def _input(section: Section, _before: Sequence[Layer]) -> Layer:
    section.only(*_COMMON, "input_shape")
    channels, height, width = (1, 1, 1, *section.wholes("input_shape", None, ":"))[-3:]
    if len(section.wholes("input_shape", None, ":")) > 3:
        raise section.error("input_shape", "it needs channels:height:width")
    if channels == height == 1:
        return _layer(section, (), Tensor((width,), np.arange(width)))
    return _layer(section, (), Tensor((height, width, channels)))


def _conv2d(section: Section, before: Sequence[Layer]) -> Layer:
    section.only(*_COMMON, *_LEARNT, "kernel_size", "filters", "stride", "padding")
    height, width, channels = _image(section, before)
    kernel, stride = section.pair("kernel_size"), section.pair("stride", "1,1")
    filters = section.whole("filters", least=1, most=1024)
    same, pads = _padding(section, stride)
    size = _window(section, (height, width), kernel, stride, pads, same=same)
    learnt = _learnt(section)
    weights = [Weight((filters, channels, *kernel), 0, kernel=True)]
    weights += [Weight((filters,), 1)] if learnt["use_bias"] else []
    options = {**learnt, "filters": filters, "kernel_size": kernel, "strides": stride, "pads": pads}
    options["padding"] = "same" if same else "valid"
    return _layer(section, before, Tensor((*size, filters)), options, weights)


def _pooling2d(section: Section, before: Sequence[Layer]) -> Layer:
    section.only(*_COMMON, "pooling", "pool_size", "stride", "padding")
    height, width, channels = _image(section, before)
    kinds = ("max", "average", "global_max", "global_average")
    pooling = section.choice("pooling", kinds)
    if pooling.startswith("global"):
        output = Tensor((channels,), np.arange(channels))
        return _layer(section, before, output, {"pooling": pooling})
    pool, stride = section.pair("pool_size"), section.pair("stride", "1,1")
    same, pads = _padding(section, stride)
    if pads:
        raise section.error("padding", "a pooling is padded with nothing or with `same`")
    size = _window(section, (height, width), pool, stride, (), same=same)
    options = {"pooling": pooling, "pool_size": pool, "strides": stride, "padding": "same" if same else "valid"}
    return _layer(section, before, Tensor((*size, channels)), options)


def _flatten(section: Section, before: Sequence[Layer]) -> Layer:
    section.only(*_COMMON)
    shape = _one(section, before).output.shape
    if len(shape) == 1:
        return _layer(section, before, before[0].output)
    return _layer(section, before, Tensor((math.prod(shape),), planes(shape)))


def _fully_connected(section: Section, before: Sequence[Layer]) -> Layer:
    section.only(*_COMMON, *_LEARNT, "unit")
    given = _one(section, before).output
    if given.order is None:
        raise section.error("input_layers", "it takes values, and there is an image: put a flatten layer before it")
    units = section.whole("unit", least=1, most=4096)
    learnt = _learnt(section)
    weights = [Weight((given.shape[0], units), 0, order=given.order)]
    weights += [Weight((units,), 1)] if learnt["use_bias"] else []
    return _layer(section, before, Tensor((units,), np.arange(units)), {**learnt, "units": units}, weights)


def _activation(section: Section, before: Sequence[Layer]) -> Layer:
    section.only(*_COMMON, "activation")
    kind = section.choice("activation", ACTIVATIONS)
    return _layer(section, before, _one(section, before).output, {"activation": _function(kind)})


def _dropout(section: Section, before: Sequence[Layer]) -> Layer:
    section.only(*_COMMON, "dropout_rate", "dropout")
    name = "dropout_rate" if "dropout_rate" in section.options else "dropout"
    rate = section.number(name, None, lambda value: 0 <= value <= 0.95)
    return _layer(section, before, _one(section, before).output, {"rate": rate})


def _batch_normalization(section: Section, before: Sequence[Layer]) -> Layer:
    section.only(*_COMMON, "momentum", "epsilon", "activation")
    given = _one(section, before).output
    if given.order is not None and not np.array_equal(given.order, np.arange(given.shape[0])):
        raise section.error("input_layers", "batch normalisation of a flattened image is not supported")
    share = {
        "momentum": section.number("momentum", 0.99, lambda value: 0 <= value < 1),
        "epsilon": section.number("epsilon", 0.001, lambda value: 0 < value < 1),
    }
    options = {**share, "activation": _function(section.choice("activation", ACTIVATIONS, "none"))}
    # In a .bin: moving mean, moving variance, gamma, beta. In Keras: gamma, beta, moving mean, moving variance.
    weights = [Weight((given.shape[-1],), place) for place in (2, 3, 0, 1)]
    return _layer(section, before, given, options, weights)


def _addition(section: Section, before: Sequence[Layer]) -> Layer:
    section.only(*_COMMON, "activation")
    first = before[0].output
    for layer in before:
        if len(before) < 2 or layer.output.shape != first.shape or not _same_order(layer.output, first):
            raise section.error("input_layers", "it adds two or more outputs of the same shape")
    function = _function(section.choice("activation", ACTIVATIONS, "none"))
    return _layer(section, before, first, {"activation": function})


def _concat(section: Section, before: Sequence[Layer]) -> Layer:
    section.only(*_COMMON, "axis")
    outputs = [layer.output for layer in before]
    flat = outputs[0].order is not None
    axis = section.whole("axis", 3 if flat else 1, least=1, most=3)
    first = outputs[0].shape
    fits = all(len(item.shape) == len(first) and item.shape[:-1] == first[:-1] for item in outputs)
    if len(outputs) < 2 or not fits or axis != (3 if flat else 1):
        raise section.error("axis", "it joins channels (axis 1 of images) or values (axis 3) of outputs that fit")
    size = sum(item.shape[-1] for item in outputs)
    if not flat:
        return _layer(section, before, Tensor((*first[:-1], size)))
    begins = np.cumsum([0, *(item.shape[0] for item in outputs)])
    orders = [begin + item.order for begin, item in zip(begins, outputs, strict=False) if item.order is not None]
    return _layer(section, before, Tensor((size,), np.concatenate(orders)))


LAYERS: dict[str, Callable[[Section, Sequence[Layer]], Layer]] = {
    "input": _input,
    "conv2d": _conv2d,
    "pooling2d": _pooling2d,
    "flatten": _flatten,
    "fully_connected": _fully_connected,
    "activation": _activation,
    "dropout": _dropout,
    "batch_normalization": _batch_normalization,
    "addition": _addition,
    "concat": _concat,
}
"""By nntrainer's names."""


def planes(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Which value of an image flattened row by row (HWC) stands at each place of one flattened by planes (CHW)."""
    height, width, channels = shape
    return np.arange(math.prod(shape)).reshape(height, width, channels).transpose(2, 0, 1).reshape(-1)


def _layer(
    section: Section,
    before: Sequence[Layer],
    output: Tensor,
    options: Mapping[str, object] | None = None,
    weights: Sequence[Weight] = (),
) -> Layer:
    found = options or {}
    activation = found.get("activation")
    return Layer(
        name=section.name,
        type=section.text("type").lower(),
        inputs=tuple(layer.name for layer in before),
        output=output,
        activation=activation if isinstance(activation, str) else None,
        options=found,
        weights=tuple(weights),
    )


def _learnt(section: Section) -> dict[str, object]:
    names = tuple(INITIALISERS)
    return {
        "activation": _function(section.choice("activation", ACTIVATIONS, "none")),
        "use_bias": not section.flag("disable_bias"),
        "kernel_initializer": INITIALISERS[section.choice("weight_initializer", names, "xavier_uniform")],
        "bias_initializer": INITIALISERS[section.choice("bias_initializer", names, "zeros")],
    }


def _function(name: str) -> str:
    return "linear" if name == "none" else name


def _one(section: Section, before: Sequence[Layer]) -> Layer:
    if len(before) != 1:
        raise section.error("input_layers", "it takes one layer")
    return before[0]


def _image(section: Section, before: Sequence[Layer]) -> tuple[int, int, int]:
    shape = _one(section, before).output.shape
    if len(shape) != 3:
        raise section.error("input_layers", "it takes an image, and there are values")
    height, width, channels = shape
    return height, width, channels


def _padding(section: Section, stride: tuple[int, int]) -> tuple[bool, tuple[int, ...]]:
    """Whether it is `same`, and zeros at top, bottom, left and right: () without any."""
    text = section.text("padding", "valid").lower()
    if text == "valid":
        return False, ()
    if text == "same":
        if stride != (1, 1):
            raise section.error("padding", "same is supported with a stride of 1 only; give the numbers")
        return True, ()
    found = section.wholes("padding", None, least=0)
    if len(found) not in {1, 2, 4} or max(found) > 128:
        raise section.error("padding", "it needs valid, same, or one, two or four numbers up to 128")
    pads = found if len(found) == 4 else (found[0], found[0], found[-1], found[-1])
    return False, pads if any(pads) else ()


def _window(
    section: Section,
    size: tuple[int, int],
    window: tuple[int, int],
    stride: tuple[int, int],
    pads: tuple[int, ...],
    *,
    same: bool,
) -> tuple[int, int]:
    if same:
        return size
    top, bottom, left, right = pads or (0, 0, 0, 0)
    height = (size[0] + top + bottom - window[0]) // stride[0] + 1
    width = (size[1] + left + right - window[1]) // stride[1] + 1
    if height < 1 or width < 1:
        raise section.error("type", f"its window of {window} does not fit into {size}")
    return height, width


def _same_order(one: Tensor, other: Tensor) -> bool:
    if one.order is None or other.order is None:
        return one.order is other.order
    return bool(np.array_equal(one.order, other.order))
