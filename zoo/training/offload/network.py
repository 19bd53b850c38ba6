"""Makes a Keras network and optimiser of an nntrainer description. TensorFlow: in the worker's process alone."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from zoo.training.offload.description import Description
from zoo.training.offload.layers import Layer
from zoo.training.offload.weights import Floats

keras = tf.keras


def build(description: Description) -> Any:
    """A functional model; the Keras layer of `description.layers[i]` is called `layer_i`."""
    first, *rest = description.layers
    found = {first.name: keras.Input(first.output.shape, name="input")}
    for index, layer in enumerate(rest, 1):
        given = [found[name] for name in layer.inputs]
        found[layer.name] = _attach(layer, index, given)
    model = keras.Model(found[first.name], found[description.layers[-1].name], name="model")
    if model.count_params() != description.parameters:
        raise AssertionError(f"Keras counts {model.count_params()} parameters, the .ini {description.parameters}")
    return model


def optimiser(description: Description) -> Any:
    """A new optimiser with the rate or the schedule of rates."""
    schedules, asked = keras.optimizers.schedules, description.rate
    rate: Any = asked.rate
    if asked.type == "exponential":
        rate = schedules.ExponentialDecay(asked.rate, asked.decay_steps, asked.decay_rate)
    elif asked.type == "step":
        rate = schedules.PiecewiseConstantDecay(list(asked.iterations), list(asked.rates))
    found = description.optimiser
    if found.type == "sgd":
        return keras.optimizers.SGD(rate)
    return keras.optimizers.Adam(rate, beta_1=found.beta1, beta_2=found.beta2, epsilon=found.epsilon)


def weights_of(model: Any, description: Description) -> list[list[Floats]]:
    """For each layer of the description, the weights of its Keras layer."""
    return [
        _keras_layer(model, index).get_weights() if layer.weights else [] for index, layer in _numbered(description)
    ]


def set_weights(model: Any, description: Description, weights: list[list[Floats]]) -> None:
    """Put `weights`, as `weights_of` gives them, into the model."""
    for (index, layer), arrays in zip(_numbered(description), weights, strict=True):
        if layer.weights:
            _keras_layer(model, index).set_weights(arrays)


def _numbered(description: Description) -> list[tuple[int, Layer]]:
    return list(enumerate(description.layers))


def _keras_layer(model: Any, index: int) -> Any:
    return model.get_layer(f"layer_{index}")


def _attach(layer: Layer, index: int, given: list[Any]) -> Any:
    name, layers = f"layer_{index}", keras.layers
    options: dict[str, Any] = dict(layer.options)
    pads, function = options.pop("pads", ()), options.get("activation", "linear")
    first = given[0]
    match layer.type:
        case "conv2d":
            if pads:
                first = layers.ZeroPadding2D((pads[:2], pads[2:]), name=f"padding_{index}")(first)
            return layers.Conv2D(**options, name=name)(first)
        case "pooling2d":
            return _pooling(options, name)(first)
        case "flatten":
            return layers.Flatten(name=name)(first)
        case "fully_connected":
            return layers.Dense(**options, name=name)(first)
        case "activation":
            return layers.Activation(function, name=name)(first)
        case "dropout":
            return layers.Dropout(options["rate"], name=name)(first)
        case "batch_normalization":
            options.pop("activation")
            made = layers.BatchNormalization(**options, name=name)(first)
        case "addition":
            made = layers.Add(name=name)(given)
        case "concat":
            return layers.Concatenate(name=name)(given)
        case _:
            raise AssertionError(f"no such layer: {layer.type}")
    return made if function == "linear" else layers.Activation(function, name=f"activation_{index}")(made)


def _pooling(options: dict[str, Any], name: str) -> Any:
    layers, kind = keras.layers, options.pop("pooling")
    if kind == "global_max":
        return layers.GlobalMaxPooling2D(name=name)
    if kind == "global_average":
        return layers.GlobalAveragePooling2D(name=name)
    return (layers.MaxPooling2D if kind == "max" else layers.AveragePooling2D)(**options, name=name)
