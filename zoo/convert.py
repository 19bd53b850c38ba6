"""Converts a trained Keras model into .tflite files: the int8 form that every builder accepts, and those beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_int8(model: Any, representative: NDArray[np.float32]) -> bytes:
    """Quantise `model` fully to int8 (weights, activations, input and output) and return the .tflite bytes.

    `representative` holds samples as the model will see them, shape [n, ...]; they fix the activation ranges. Dense
    layers get one scale per tensor: scales per channel there came late to the microcontroller runtimes and gain nothing
    on models of this size.
    """
    tf, converter = _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True

    def samples() -> Iterator[list[NDArray[np.float32]]]:
        for sample in representative:
            yield [sample[np.newaxis]]

    converter.representative_dataset = samples
    return bytes(converter.convert())


def to_float32(model: Any) -> bytes:
    """The model as it is."""
    return bytes(_converter(model)[1].convert())


def to_float16(model: Any) -> bytes:
    """Weights in float16, computed in float32: half the size."""
    tf, converter = _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return bytes(converter.convert())


def to_dynamic_range(model: Any) -> bytes:
    """Weights in int8, activations in float32 and quantised as they come: a quarter of the size."""
    tf, converter = _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return bytes(converter.convert())


def _converter(model: Any) -> tuple[Any, Any]:
    """TensorFlow, and a converter of `model` with a batch of one.

    With a free batch dimension the converter emits SHAPE, STRIDED_SLICE and PACK, which microcontroller runtimes would
    have to carry for nothing.
    """
    import tensorflow as tf  # seconds and 600 MB: only in a process that trains

    # Named, or Keras counts: the same model would give other bytes the second time.
    fixed_batch = tf.keras.Input(batch_shape=(1, *model.input_shape[1:]), name="input")
    wrapped = tf.keras.Model(fixed_batch, model(fixed_batch), name="model")
    return tf, tf.lite.TFLiteConverter.from_keras_model(wrapped)
