"""Trains vibration-autoencoder, an anomaly detector of bearings: writes the int8 model, a sample and the metric."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from zoo.cards import Metric, ModelCard, store
from zoo.convert import to_int8
from zoo.predict import LoadedModel

FOLDER = Path(__file__).resolve().parent
SEED = 20260107
SAMPLE_RATE_HZ = 10_000
WINDOW = 1024
BANDS = 64
TRAIN_SAMPLES = 3000
TEST_SAMPLES = 500  # of each kind
EPOCHS = 40
BATCH = 64
IMPACTS_PER_TURN = 3.6  # of a rolling element over a damaged outer race
GEAR_TEETH = 23


def vibration(rng: np.random.Generator, *, faulty: bool) -> NDArray[np.float64]:
    """One window of acceleration of a geared shaft, in g. A damaged bearing adds short ringing impacts near 3.2 kHz."""
    t = np.arange(WINDOW) / SAMPLE_RATE_HZ
    shaft_hz = rng.uniform(24, 31)

    def tone(hz: float, amplitude: float) -> NDArray[np.float64]:
        return amplitude * np.sin(2 * np.pi * hz * t + rng.uniform(0, 2 * np.pi))

    signal = rng.normal(0, 0.3, WINDOW)
    for harmonic in range(1, 9):
        signal += tone(harmonic * shaft_hz, rng.uniform(0.5, 1.0) / harmonic)
    signal += tone(GEAR_TEETH * shaft_hz, rng.uniform(0.1, 0.3))
    if faulty:
        resonance_hz, strength = rng.uniform(2900, 3500), rng.uniform(0.8, 2.0)
        period = 1 / (IMPACTS_PER_TURN * shaft_hz)
        impact = rng.uniform(0, period)
        while impact < t[-1]:
            after = np.clip(t - impact, 0, None)
            signal += strength * np.exp(-600 * after) * np.sin(2 * np.pi * resonance_hz * after)
            impact += period * rng.normal(1, 0.02)  # rolling elements slip
    return signal


def bands(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """64 features: log10 of the mean power in equal bands up to 5 kHz, -4..2 mapped to 0..1."""
    power = np.abs(np.fft.rfft(signal * np.hanning(WINDOW)))[1:] ** 2 / WINDOW
    return np.clip((np.log10(power.reshape(BANDS, -1).mean(axis=1) + 1e-6) + 4) / 6, 0, 1)


def windows(rng: np.random.Generator, count: int, *, faulty: bool) -> NDArray[np.float32]:
    """`count` windows of features, [count, 64]."""
    return np.stack([bands(vibration(rng, faulty=faulty)) for _ in range(count)]).astype(np.float32)


def train(out: Path) -> ModelCard:
    """Train on healthy windows alone, with fixed seeds, and store the result in `out`."""
    tf.keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    rng = np.random.default_rng(SEED)
    x = windows(rng, TRAIN_SAMPLES, faulty=False)
    test = np.concatenate([windows(rng, TEST_SAMPLES, faulty=faulty) for faulty in (False, True)])
    truth = np.repeat([0, 1], TEST_SAMPLES)

    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Input((BANDS,)),
            layers.Dense(32, "relu"),
            layers.Dense(8, "relu"),
            layers.Dense(32, "relu"),
            layers.Dense(BANDS),
        ]
    )
    rate = tf.keras.optimizers.schedules.CosineDecay(3e-3, EPOCHS * -(-TRAIN_SAMPLES // BATCH))
    model.compile(tf.keras.optimizers.Adam(rate), "mse")
    model.fit(x, x, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    data = to_int8(model, x[:500])

    def scores(reconstruction: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.mean((test - reconstruction) ** 2, axis=1)

    float_scores, int8_scores = scores(model.predict(test, verbose=0)), scores(LoadedModel(data).run(test))

    metric = Metric(
        name="ROC AUC",
        meaning="how well the mean squared reconstruction error separates damaged from healthy bearings; half of the "
        "test samples are damaged",
        float32=round(float(roc_auc_score(truth, float_scores)), 4),
        int8=round(float(roc_auc_score(truth, int8_scores)), 4),
        samples=2 * TEST_SAMPLES,
    )
    # A healthy window and the clearest of the damaged ones.
    sample = [[round(float(value), 4) for value in test[i]] for i in (0, int(np.argmax(int8_scores)))]
    return store(FOLDER, out, data, sample, metric)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to; this one by default")
    print(train(parser.parse_args().out).metric)
