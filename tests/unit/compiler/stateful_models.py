"""Makes the models with state in models/: trained for a moment and converted to int8 with TensorFlow's converter.

    python tests/unit/compiler/stateful_models.py

The files are kept, so that tests need no TensorFlow.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import tensorflow as tf

FOLDER = Path(__file__).parent / "models"
SEED = 5
FEATURES, UNITS, CLASSES, STEPS = 6, 10, 3, 8
RING = 4  # frames that the streaming model remembers
EPOCHS = 150


def sequences(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy waves, [count, STEPS, FEATURES], whose class is how fast they turn."""
    labels = rng.integers(0, CLASSES, count)
    time = np.arange(STEPS)[None, :, None] + rng.uniform(0, 6, (count, 1, 1))
    phase = np.linspace(0, 3, FEATURES)[None, None, :]
    waves = np.sin(time * (0.4 + 0.6 * labels[:, None, None]) + phase) + rng.normal(0, 0.1, (count, STEPS, FEATURES))
    return waves.astype(np.float32), labels


def _weights(rng: np.random.Generator, *shape: int) -> tf.Variable:
    return tf.Variable(rng.normal(0, 1 / np.sqrt(np.prod(shape[:-1])), shape).astype(np.float32))


def _train(loss: Callable[[], Any], weights: list[tf.Variable]) -> None:
    optimizer = tf.keras.optimizers.Adam(0.03)
    for _ in range(EPOCHS):
        with tf.GradientTape() as tape:
            value = loss()
        optimizer.apply_gradients(zip(tape.gradient(value, weights), weights, strict=True))


def _lstm(inputs: Any, hidden: Any, cell: Any, kernel: Any, recurrent: Any, bias: Any) -> tuple[Any, ...]:
    """What the converter knows as an LSTM layer by its attribute, and replaces with UNIDIRECTIONAL_SEQUENCE_LSTM."""
    rows = []
    for row in tf.unstack(inputs, axis=1):
        gates = tf.matmul(row, kernel) + tf.matmul(hidden, recurrent) + bias
        entry, forget, candidate, output = tf.split(gates, 4, axis=1)
        cell = tf.sigmoid(forget) * cell + tf.sigmoid(entry) * tf.tanh(candidate)
        hidden = tf.sigmoid(output) * tf.tanh(cell)
        rows.append(hidden)
    return hidden, tf.stack(rows, axis=1), hidden, cell, tf.constant(0.0)


class Lstm(tf.Module):
    """An LSTM over a whole sequence, and a classifier of all its outputs."""

    frames = STEPS

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__()
        self.kernel, self.recurrent = _weights(rng, FEATURES, 4 * UNITS), _weights(rng, UNITS, 4 * UNITS)
        self.bias, self.classifier = tf.Variable(tf.zeros(4 * UNITS)), _weights(rng, STEPS * UNITS, CLASSES)
        self.layer = tf.function(
            _lstm,
            autograph=False,
            experimental_attributes={
                "api_implements": "lstm_1",
                "api_preferred_device": "CPU",
                "time_major": False,
                "go_backwards": False,
            },
        )

    def logits(self, waves: Any) -> Any:
        zero = tf.zeros((waves.shape[0], UNITS))
        weights = [weight.read_value() for weight in (self.kernel, self.recurrent, self.bias)]
        outputs = self.layer(waves, zero, zero, *weights)[1]
        return tf.matmul(tf.reshape(outputs, (waves.shape[0], STEPS * UNITS)), self.classifier)

    def train(self, waves: Any, labels: Any) -> None:
        """All weights."""
        weights = [self.kernel, self.recurrent, self.bias, self.classifier]
        _train(
            lambda: tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, self.logits(waves))), weights
        )

    @tf.function(input_signature=[tf.TensorSpec((1, STEPS, FEATURES), tf.float32)])
    def step(self, waves: Any) -> Any:
        """Probabilities."""
        return tf.nn.softmax(self.logits(waves))


class Streaming(tf.Module):
    """A convolution in time that is fed frame by frame: a ring of the last frames is a resource variable."""

    frames = 1

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__()
        self.kernel, self.bias = _weights(rng, RING + 1, 1, FEATURES, UNITS), tf.Variable(tf.zeros(UNITS))
        self.classifier = _weights(rng, UNITS, CLASSES)
        self.ring = tf.Variable(tf.zeros((1, RING, 1, FEATURES)), trainable=False)

    def logits(self, frames: Any) -> Any:
        hidden = tf.nn.relu(tf.nn.conv2d(frames, self.kernel, 1, "VALID") + self.bias)
        return tf.matmul(tf.reshape(hidden, (frames.shape[0], UNITS)), self.classifier)

    def train(self, waves: Any, labels: Any) -> None:
        """All weights, on the last frames of the sequences."""
        frames = waves[:, -RING - 1 :, None, :]
        weights = [self.kernel, self.bias, self.classifier]
        _train(
            lambda: tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, self.logits(frames))), weights
        )

    @tf.function(input_signature=[tf.TensorSpec((1, 1, FEATURES), tf.float32)])
    def step(self, frame: Any) -> Any:
        """Probabilities after one more frame."""
        frames = tf.concat([self.ring.read_value(), tf.reshape(frame, (1, 1, 1, FEATURES))], 1)
        self.ring.assign(frames[:, 1:])
        return tf.nn.softmax(self.logits(frames))


class Recurrent(tf.Module):
    """A simple recurrent cell that is fed frame by frame: its hidden state is a resource variable."""

    frames = 1

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__()
        self.kernel, self.recurrent = _weights(rng, FEATURES, UNITS), _weights(rng, UNITS, UNITS)
        self.classifier = _weights(rng, UNITS, CLASSES)
        self.hidden = tf.Variable(tf.zeros((1, UNITS)), trainable=False)

    def cell(self, frame: Any, hidden: Any) -> Any:
        return tf.tanh(tf.matmul(frame, self.kernel) + tf.matmul(hidden, self.recurrent))

    def train(self, waves: Any, labels: Any) -> None:
        """All weights, through time."""

        def loss() -> Any:
            hidden = tf.zeros((waves.shape[0], UNITS))
            for row in range(STEPS):
                hidden = self.cell(waves[:, row], hidden)
            logits = tf.matmul(hidden, self.classifier)
            return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))

        _train(loss, [self.kernel, self.recurrent, self.classifier])

    @tf.function(input_signature=[tf.TensorSpec((1, 1, FEATURES), tf.float32)])
    def step(self, frame: Any) -> Any:
        """Probabilities after one more frame."""
        hidden = self.cell(tf.reshape(frame, (1, FEATURES)), self.hidden.read_value())
        self.hidden.assign(hidden)
        return tf.nn.softmax(tf.matmul(hidden, self.classifier))


def convert(model: Any, waves: np.ndarray) -> bytes:
    """The int8 .tflite file."""
    converter = tf.lite.TFLiteConverter.from_concrete_functions([model.step.get_concrete_function()], model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]

    def samples() -> Iterator[list[np.ndarray]]:
        for wave in waves[:40]:
            for start in range(0, STEPS, model.frames):
                yield [wave[None, start : start + model.frames]]

    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    converter.experimental_enable_resource_variables = True
    converter._experimental_variable_quantization = True
    return bytes(converter.convert())


MODELS = {"lstm": Lstm, "streaming": Streaming, "recurrent": Recurrent}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, kind in MODELS.items():
        rng = np.random.default_rng(SEED)
        model = kind(rng)
        waves, labels = sequences(rng, 256)
        model.train(tf.constant(waves), tf.constant(labels))
        data = convert(model, waves)
        (FOLDER / f"{name}.tflite").write_bytes(data)
