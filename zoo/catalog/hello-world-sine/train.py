"""Trains hello-world-sine, a regression of sin(x): writes the int8 model, a sample and the card's metric."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from zoo.cards import Metric, ModelCard, store
from zoo.convert import to_int8
from zoo.predict import LoadedModel

FOLDER = Path(__file__).resolve().parent
SEED = 20260107
TRAIN_SAMPLES = 2000
TEST_SAMPLES = 629
NOISE = 0.05
EPOCHS = 60
BATCH = 32


def train(out: Path) -> ModelCard:
    """Train with fixed seeds and store the result in `out`."""
    tf.keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    rng = np.random.default_rng(SEED)
    x = rng.uniform(0, 2 * np.pi, (TRAIN_SAMPLES, 1)).astype(np.float32)
    x[0], x[1] = 0, 2 * np.pi  # the quantised input has to reach both ends
    y = np.sin(x) + rng.normal(0, NOISE, x.shape).astype(np.float32)

    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [layers.Input((1,)), layers.Dense(16, "relu"), layers.Dense(16, "relu"), layers.Dense(1)],
    )
    rate = tf.keras.optimizers.schedules.CosineDecay(1e-2, EPOCHS * -(-TRAIN_SAMPLES // BATCH))
    model.compile(tf.keras.optimizers.Adam(rate), "mse")
    model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    data = to_int8(model, x[:500])
    test = np.linspace(0, 2 * np.pi, TEST_SAMPLES, dtype=np.float32)[:, np.newaxis]

    def error(values: NDArray[np.floating]) -> float:
        return round(float(np.mean(np.abs(values - np.sin(test)))), 4)

    metric = Metric(
        name="mean absolute error",
        meaning="against the noiseless sine, evenly over 0 to 2 pi; smaller is better",
        float32=error(model.predict(test, verbose=0)),
        int8=error(LoadedModel(data).run(test)),
        samples=TEST_SAMPLES,
    )
    return store(FOLDER, out, data, [[0.0], [1.5708], [3.1416], [4.7124]], metric)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to; this one by default")
    print(train(parser.parse_args().out).metric)
