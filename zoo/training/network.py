"""Makes a Keras network of a recipe's layers, within bounds. TensorFlow: in the worker's process alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from zoo.training.errors import RecipeError
from zoo.training.recipe import CLASSIFICATION, CROSS_ENTROPY, Layer, Recipe

MAX_PARAMETERS = 4_000_000
MAX_ACTIVATIONS = 4_000_000
"""Elements of one layer's output for one sample."""

keras = tf.keras


def build(recipe: Recipe, input_shape: tuple[int, ...], outputs: int) -> Any:
    """A functional model from `input_shape` to `outputs` numbers. Raises RecipeError with the layer at fault."""
    inputs = keras.Input(input_shape, name="input")
    found = attach(recipe.layers, inputs, outputs)
    if found.shape[1:] != (outputs,):
        raise RecipeError(
            f"layers: the network gives {list(found.shape[1:])}, and the data needs [{outputs}].",
            field="layers",
            remedy="End with a dense layer without units; flatten before it.",
        )
    return keras.Model(inputs, found, name="model")


def attach(layers: Sequence[Layer], found: Any, outputs: int) -> Any:
    """`layers` behind the tensor `found`."""
    parameters = 0
    for index, layer in enumerate(layers):
        try:
            parameters += _parameters(layer, found.shape[1:], outputs)
            _bounded(parameters, MAX_PARAMETERS, "parameters in the layers up to here")
            found = _keras_layer(layer, f"{layer.type}_{index}", outputs)(found)
            _bounded(math.prod(found.shape[1:]), MAX_ACTIVATIONS, "elements in its output")
        except (ValueError, IndexError) as error:
            said = " ".join(str(error).split())[:300]
            raise RecipeError(
                f"layers[{index}] ({layer.type}): {said}; its input is {list(found.shape[1:])}.",
                field=f"layers[{index}]",
            ) from error
    return found


def optimiser(recipe: Recipe, steps: int) -> Any:
    """A new optimiser for `steps` steps in all."""
    asked = recipe.optimiser
    rate: Any = asked.rate
    if asked.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(asked.rate, steps)
    if asked.type == "sgd":
        return keras.optimizers.SGD(rate, momentum=asked.momentum)
    return keras.optimizers.Adam(rate)


def loss(recipe: Recipe) -> Any:
    """A function of targets and outputs that gives one loss for each sample."""
    if recipe.loss == CROSS_ENTROPY:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=recipe.from_logits, reduction=None)
    if recipe.loss == "mean-squared-error":
        return keras.losses.MeanSquaredError(reduction=None)
    return keras.losses.MeanAbsoluteError(reduction=None)


def metric(recipe: Recipe) -> tuple[str, Any]:
    """The name of the second figure of an epoch, and a function of targets and outputs: one number a sample."""
    if recipe.task == CLASSIFICATION:
        return "accuracy", keras.metrics.sparse_categorical_accuracy
    return "mean_absolute_error", lambda wanted, outputs: tf.reduce_mean(tf.abs(wanted - outputs), axis=-1)


def thaw(model: Any) -> None:
    """Let every layer learn that a transfer has frozen.

    Setting `trainable` on a network that Keras has loaded does not reach the layers of a network inside it.
    """
    for layer in model._flatten_layers():
        layer.trainable = True


def _bounded(count: int, most: int, what: str) -> None:
    if count > most:
        raise ValueError(f"{count} {what}; at most {most} are trained")


def _keras_layer(layer: Layer, name: str, outputs: int) -> Any:
    given = layer.options
    common: dict[str, Any] = {"name": name}
    if layer.type in {"dense", "conv2d"} and given.get("l2"):
        common["kernel_regularizer"] = keras.regularizers.L2(given["l2"])
    learnt = {"activation": given.get("activation"), "use_bias": given.get("bias", True)}
    window = {"strides": given.get("stride", 1), "padding": given.get("padding", "valid")}
    layers = keras.layers
    match layer.type:
        case "dense":
            return layers.Dense(given.get("units", outputs), **learnt, **common)
        case "conv2d":
            return layers.Conv2D(given["filters"], given["kernel"], **window, **learnt, **common)
        case "depthwise_conv2d":
            return layers.DepthwiseConv2D(given["kernel"], **window, **learnt, **common)
        case "max_pooling2d" | "average_pooling2d":
            kind = layers.MaxPooling2D if layer.type == "max_pooling2d" else layers.AveragePooling2D
            window["strides"] = given.get("stride")
            return kind(given["pool"], **window, **common)
        case "flatten":
            return layers.Flatten(**common)
        case "batch_normalisation":
            return layers.BatchNormalization(momentum=0.9, **common)  # so that short trainings settle too
        case "global_average_pooling2d":
            return layers.GlobalAveragePooling2D(**common)
        case "dropout":
            return layers.Dropout(given["rate"], **common)
        case "activation":
            return layers.Activation(given["function"], **common)
        case "reshape":
            return layers.Reshape(given["shape"], **common)
    raise ValueError(f"no such layer: {layer.type}")


def _parameters(layer: Layer, shape: tuple[int, ...], outputs: int) -> int:
    """Weights that a layer will hold, before it allocates them."""
    given = layer.options
    if layer.type == "dense":
        return int(shape[-1] * given.get("units", outputs))
    if layer.type in {"conv2d", "depthwise_conv2d"}:
        kernel = given["kernel"]
        area = kernel * kernel if isinstance(kernel, int) else math.prod(kernel)
        return int(area * shape[-1] * given.get("filters", 1))
    return 0


def with_new_head(recipe: Recipe, base: Any, outputs: int) -> Any:
    """`base` up to the input of its last dense layer, frozen, and the recipe's layers behind it.

    Frozen also means that batch normalisation keeps its moving averages. Raises RecipeError.
    """
    last = next((layer for layer in reversed(base.layers) if isinstance(layer, keras.layers.Dense)), None)
    if last is None:
        raise RecipeError(
            "The parent has no dense layer that a new head could take the place of.", field="parent_version"
        )
    for layer in base.layers:
        layer.trainable = False
        # A head of the same types would otherwise have the same names.
        layer.name = layer.name if layer.name.startswith("base_") else f"base_{layer.name}"
    backbone = keras.Model(base.inputs, last.input, name="backbone")
    inputs = keras.Input(base.input_shape[1:], name="input")
    found = attach(recipe.layers, backbone(inputs, training=False), outputs)
    if found.shape[1:] != (outputs,):
        raise RecipeError(
            f"layers: the head gives {list(found.shape[1:])}, and the data needs [{outputs}].", field="layers"
        )
    return keras.Model(inputs, found, name="model")
