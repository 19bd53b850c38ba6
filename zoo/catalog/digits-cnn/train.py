"""Trains digits-cnn, a classifier of handwritten digits: writes the int8 model, a sample and the card's metric."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from zoo.cards import Metric, ModelCard, store
from zoo.convert import to_int8
from zoo.predict import LoadedModel

FOLDER = Path(__file__).resolve().parent
SEED = 20260107
TEST_SAMPLES = 360
EPOCHS = 60
BATCH = 64
COPIES = 3


def build() -> tf.keras.Model:
    """A small CNN, [8, 8, 1] ink from 0 to 1 to 10 class probabilities. Batch normalisation folds into convolutions."""
    layers = tf.keras.layers
    x = inputs = layers.Input((8, 8, 1))
    for convolution in (
        layers.Conv2D(16, 3, padding="same", use_bias=False),
        layers.DepthwiseConv2D(3, padding="same", use_bias=False),
        layers.Conv2D(32, 1, use_bias=False),
    ):
        x = layers.ReLU()(layers.BatchNormalization()(convolution(x)))
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(32, 3, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Flatten()(layers.AveragePooling2D(2)(x))
    return tf.keras.Model(inputs, layers.Dense(10, activation="softmax")(layers.Dropout(0.3)(x)))


def shifted(images: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """The images moved by up to one pixel in each direction: writers centre their digits differently."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    moves = rng.integers(0, 3, (len(images), 2))
    return np.stack([image[dy : dy + 8, dx : dx + 8] for image, (dy, dx) in zip(padded, moves, strict=True)])


def train(out: Path) -> ModelCard:
    """Train with fixed seeds and store the result in `out`."""
    tf.keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    rng = np.random.default_rng(SEED)
    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)[..., np.newaxis]
    # The set is ordered by writer: apart from one at the border, the tail holds people whom the training never saw.
    train_x, test_x = images[:-TEST_SAMPLES], images[-TEST_SAMPLES:]
    train_y, test_y = digits.target[:-TEST_SAMPLES], digits.target[-TEST_SAMPLES:]

    augmented = np.concatenate([train_x, *(shifted(train_x, rng) for _ in range(COPIES))])
    model = build()
    steps = EPOCHS * -(-len(augmented) // BATCH)
    rate = tf.keras.optimizers.schedules.CosineDecay(3e-3, steps)
    model.compile(tf.keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    model.fit(augmented, np.tile(train_y, 1 + COPIES), batch_size=BATCH, epochs=EPOCHS, verbose=0)
    data = to_int8(model, train_x[:400])

    def accuracy(probabilities: NDArray[np.floating]) -> float:
        return round(float(np.mean(np.argmax(probabilities, axis=1) == test_y)), 4)

    metric = Metric(
        name="accuracy",
        meaning="share of correct digits in the tail of a set ordered by writer: people whom the training hardly saw",
        float32=accuracy(model.predict(test_x, verbose=0)),
        int8=accuracy(LoadedModel(data).run(test_x)),
        samples=TEST_SAMPLES,
    )
    sample = [test_x[np.flatnonzero(test_y == digit)[0]].tolist() for digit in (3, 7)]
    return store(FOLDER, out, data, sample, metric)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to; this one by default")
    print(train(parser.parse_args().out).metric)
