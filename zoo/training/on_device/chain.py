"""A Keras network as a chain of operations that a device can train, and what a reader is told of it. TensorFlow.

A chain is the whole network, or its last dense layer with what follows behind a frozen rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from zoo.federated.parameters import Parameter, Parameters
from zoo.training.errors import RecipeError
from zoo.training.job import JsonObject
from zoo.training.on_device.document import HEAD
from zoo.training.on_device.operations import (
    ACTIVATIONS,
    Activation,
    AveragePooling,
    Convolution,
    Dense,
    DepthwiseConvolution,
    GlobalAverage,
    MaxPooling,
    Normalisation,
    Operation,
    Reshape,
    ZeroPadding,
)

keras = tf.keras


@dataclass(frozen=True)
class Chain:
    """`frozen` maps the input to that of the first operation; without it they are the whole network.

    A softmax at the end is left out of `operations`: they give its logits.
    """

    frozen: Callable[[Any], Any] | None
    operations: tuple[Operation, ...]
    parameters: Parameters
    layers: list[JsonObject]
    ends_with_softmax: bool

    @property
    def variables(self) -> list[Any]:
        """One for each parameter, in their order."""
        return [weight for operation in self.operations for weight in operation.weights]


def chain_of(model: Any, scope: str, batch: int) -> Chain:
    """The operations of a network that was trained here. Raises RecipeError with the layer that does not fit."""
    frozen, layers = _split(model, batch) if scope == HEAD else (None, list(_flat(model)))
    parts = [_part(layer) for layer in layers]
    operations = [operation for part in parts for operation in part.operations]
    last = operations[-1]
    ends_with_softmax = isinstance(last, Activation) and last.function == "softmax"
    return Chain(
        frozen,
        tuple(operations[:-1] if ends_with_softmax else operations),
        Parameters(
            [
                Parameter(f"{'head' if scope == HEAD else layer.name}/{name}", tuple(variable.shape))
                for layer, part in zip(layers, parts, strict=True)
                for name, variable in zip(part.names, part.weights, strict=True)
            ]
        ),
        [{**part.told, "name": layer.name} for layer, part in zip(layers, parts, strict=True)],
        ends_with_softmax,
    )


@dataclass(frozen=True)
class _Part:
    """What becomes of one layer; `names` are those of its weights."""

    told: JsonObject
    operations: list[Operation]
    names: tuple[str, ...] = ()

    @property
    def weights(self) -> list[Any]:
        return [weight for operation in self.operations for weight in operation.weights]


def _flat(model: Any) -> Iterator[Any]:
    """The layers in order, those of a network inside the network too."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _flat(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            yield layer


def _split(model: Any, batch: int) -> tuple[Callable[[Any], Any], list[Any]]:
    """The network up to its last dense layer, as a function without variables, and the layers from there on."""
    places = [place for place, layer in enumerate(model.layers) if isinstance(layer, keras.layers.Dense)]
    if not places:
        raise RecipeError(
            "The network has no dense layer: there is no head to train.",
            field="scope",
            remedy="Take scope all, or a network that ends with a dense layer.",
        )
    head = model.layers[places[-1]]
    if not head.use_bias:
        raise RecipeError(
            f"The last dense layer, {head.name}, has no bias; a head is its kernel and its bias.",
            field="scope",
            remedy="Take scope all, or train the network with a bias there.",
        )
    before = keras.Model(model.inputs, head.input, name="frozen")
    given = tf.TensorSpec([batch, *model.input_shape[1:]], tf.float32)
    # Constants in place of variables: a Keras network that is called in a module of its own has variables that nothing
    # initialises in the .tflite, and answers with other numbers without a word.
    function = convert_variables_to_constants_v2(
        tf.function(lambda x: before(x, training=False)).get_concrete_function(given)
    )
    return lambda x: function(x)[0], model.layers[places[-1] :]


def _part(layer: Any) -> _Part:
    make = _PARTS.get(type(layer).__name__)
    if make is None:
        raise RecipeError(
            f"The layer {layer.name} ({type(layer).__name__}) cannot learn on a device.",
            field="scope",
            remedy="Take scope head: it keeps everything before the last dense layer as it is.",
        )
    return make(layer)


def _dense(layer: Any) -> _Part:
    told = {"type": "dense", "units": layer.units, **_learnt(layer)}
    return _weighted(layer, told, Dense(*_weights(layer)))


def _convolution(layer: Any) -> _Part:
    _plain(layer)
    told = {
        "type": "conv2d",
        "filters": layer.filters,
        "kernel": list(layer.kernel_size),
        **_laid(layer),
        **_learnt(layer),
    }
    return _weighted(layer, told, Convolution(*_weights(layer), layer.strides, layer.padding))


def _depthwise(layer: Any) -> _Part:
    _plain(layer)
    told = {"type": "depthwise_conv2d", "kernel": list(layer.kernel_size), **_laid(layer), **_learnt(layer)}
    return _weighted(layer, told, DepthwiseConvolution(*_weights(layer), layer.strides, layer.padding))


def _normalisation(layer: Any) -> _Part:
    mean, variance = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    told = {
        "type": "batch_normalisation",
        "mean": mean.tolist(),
        "variance": variance.tolist(),
        "epsilon": layer.epsilon,
    }
    weights = (tf.Variable(layer.gamma.numpy()), tf.Variable(layer.beta.numpy()))
    return _Part(told, [Normalisation(*weights, mean, variance, layer.epsilon)], ("gamma", "beta"))


def _max_pooling(layer: Any) -> _Part:
    told = {"type": "max_pooling2d", "pool": list(layer.pool_size), **_laid(layer)}
    return _Part(told, [MaxPooling(layer.pool_size, layer.strides, layer.padding)])


def _average_pooling(layer: Any) -> _Part:
    told = {"type": "average_pooling2d", "pool": list(layer.pool_size), **_laid(layer)}
    return _Part(told, [AveragePooling(layer.pool_size, layer.strides, layer.padding)])


def _activation(layer: Any) -> _Part:
    function = _function(layer)
    return _Part({"type": "activation", "function": function}, [Activation(function)])


_PARTS: dict[str, Callable[[Any], _Part]] = {
    "Dense": _dense,
    "Conv2D": _convolution,
    "DepthwiseConv2D": _depthwise,
    "BatchNormalization": _normalisation,
    "MaxPooling2D": _max_pooling,
    "AveragePooling2D": _average_pooling,
    "GlobalAveragePooling2D": lambda _: _Part({"type": "global_average_pooling2d"}, [GlobalAverage()]),
    "Activation": _activation,
    "Flatten": lambda _: _Part({"type": "flatten"}, [Reshape()]),
    "Reshape": lambda layer: _Part(
        {"type": "reshape", "shape": list(layer.target_shape)}, [Reshape(layer.target_shape)]
    ),
    # A device learns a little from few samples: nothing is left out at random there.
    "Dropout": lambda layer: _Part({"type": "dropout", "rate": layer.rate}, []),
    "ZeroPadding2D": lambda layer: _Part(
        {"type": "zero_padding2d", "padding": [list(side) for side in layer.padding]}, [ZeroPadding(layer.padding)]
    ),
}


def _weighted(layer: Any, told: JsonObject, operation: Operation) -> _Part:
    """A layer with weights; its activation is an operation of its own behind it."""
    function = told["activation"]
    behind: list[Operation] = [] if function == "linear" else [Activation(function)]
    return _Part(told, [operation, *behind], ("kernel", "bias") if layer.use_bias else ("kernel",))


def _weights(layer: Any) -> tuple[Any, Any | None]:
    """Variables of their own, with the layer's values."""
    return tf.Variable(layer.kernel.numpy()), tf.Variable(layer.bias.numpy()) if layer.use_bias else None


def _learnt(layer: Any) -> JsonObject:
    return {"activation": _function(layer), "bias": bool(layer.use_bias)}


def _laid(layer: Any) -> JsonObject:
    return {"stride": list(layer.strides), "padding": layer.padding}


def _function(layer: Any) -> str:
    name = str(getattr(layer.activation, "__name__", layer.activation))
    if name not in ACTIVATIONS:
        raise RecipeError(
            f"The activation {name} of the layer {layer.name} cannot learn on a device.",
            field="scope",
            remedy=f"There are {', '.join(ACTIVATIONS)}.",
        )
    return name


def _plain(layer: Any) -> None:
    """Refuse what a recipe cannot ask for, and another origin of a Keras file may have."""
    multiplied = getattr(layer, "depth_multiplier", 1) != 1
    if multiplied or tuple(layer.dilation_rate) != (1, 1) or getattr(layer, "groups", 1) != 1:
        raise RecipeError(
            f"The layer {layer.name} has dilation, groups or a depth multiplier; it cannot learn on a device.",
            field="scope",
            remedy="Take scope head: it keeps everything before the last dense layer as it is.",
        )
