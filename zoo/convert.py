"""Converts a trained Keras model into the int8 .tflite form that every builder accepts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_int8(model: Any, representative: NDArray[np.float32]) -> bytes:
    """Quantise `model` fully to int8 (weights, activations, input and output) and return the .tflite bytes.

    `representative` holds samples as the model will see them, shape [n, ...]; they fix the activation ranges.
    The model is wrapped with a batch of one first: with a free batch dimension the converter emits SHAPE, STRIDED_SLICE
    and PACK, which microcontroller runtimes would have to carry for nothing. Dense layers get one scale per tensor:
    scales per channel there came late to the microcontroller runtimes and gain nothing on models of this size.
    """
    import tensorflow as tf  # seconds and 600 MB: only in a process that trains

    fixed_batch = tf.keras.Input(batch_shape=(1, *representative.shape[1:]))
    converter = tf.lite.TFLiteConverter.from_keras_model(tf.keras.Model(fixed_batch, model(fixed_batch)))
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
