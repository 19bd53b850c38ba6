"""Makes the Keras models in models/: trained for a moment and converted to int8 with TensorFlow's converter.

    python tests/unit/compiler/keras_models.py

`attention` is a block of a transformer before a recurrent layer; `free_batch` was exported without a batch size, and
finds out its shapes as it runs. The files are kept, so that tests need no TensorFlow.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from stateful_models import CLASSES, FEATURES, FOLDER, SEED, STEPS, UNITS, sequences

Layers = tf.keras.layers
EPOCHS = 30


def attention() -> Any:
    """Normalised attention with a way around it, twice as wide inside; then a GRU, step by step."""
    waves = tf.keras.Input((STEPS, FEATURES), batch_size=1)
    x = Layers.Dense(UNITS, activation="elu")(waves)
    normal = Layers.LayerNormalization()(x)
    x = Layers.Add()([x, Layers.MultiHeadAttention(2, UNITS // 2)(normal, normal)])
    normal = Layers.LayerNormalization()(x)
    x = Layers.Add()([x, Layers.Dense(UNITS)(Layers.Dense(2 * UNITS, activation="swish")(normal))])
    x = Layers.GRU(UNITS, unroll=True)(x)
    return tf.keras.Model(waves, Layers.Dense(CLASSES, activation="softmax")(x))


def free_batch() -> Any:
    """Convolutions in time, channels weighed by what all of them hold, and a change of shape."""
    waves = tf.keras.Input((STEPS, FEATURES))
    x = Layers.Conv1D(UNITS, 3, padding="same", activation="relu")(waves)
    weight = Layers.Dense(UNITS, activation="sigmoid")(Layers.GlobalMaxPooling1D()(x))
    x = Layers.Multiply()([x, Layers.Reshape((1, UNITS))(weight)])
    x = Layers.Permute((2, 1))(x)
    x = Layers.Conv1DTranspose(4, 3, strides=2)(x)
    return tf.keras.Model(waves, Layers.Dense(CLASSES, activation="softmax")(Layers.Flatten()(x)))


def convert(model: Any, waves: np.ndarray) -> bytes:
    """The int8 .tflite file."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]

    def samples() -> Iterator[list[np.ndarray]]:
        return ([wave[None]] for wave in waves[:40])

    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def trained(make: Any, waves: np.ndarray, labels: np.ndarray) -> Any:
    """A fixed batch is for the file alone: the weights are trained in a twin with a free one."""
    model = make()
    twin = tf.keras.models.clone_model(model, input_tensors=tf.keras.Input((STEPS, FEATURES)))
    twin.compile("adam", "sparse_categorical_crossentropy")
    twin.fit(waves, labels, epochs=EPOCHS, verbose=0)
    model.set_weights(twin.get_weights())
    return model


if __name__ == "__main__":
    for make in (attention, free_batch):
        tf.keras.utils.set_random_seed(SEED)
        waves, labels = sequences(np.random.default_rng(SEED), 256)
        (FOLDER / f"{make.__name__}.tflite").write_bytes(convert(trained(make, waves, labels), waves))
