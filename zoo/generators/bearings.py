"""Vibration of a geared shaft, healthy and with a damaged bearing: 64 log band energies of windows of 1024 readings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo.generators.parts import in_order
from zoo.training.data import TrainingData

SEED = 20260107
LABELS = ("healthy", "damaged")
SAMPLE_RATE_HZ = 10_000
WINDOW = 1024
BANDS = 64
TRAIN, VALIDATION = 3000, 300
TEST = 500  # of each kind
IMPACTS_PER_TURN = 3.6  # of a rolling element over a damaged outer race
GEAR_TEETH = 23


def make() -> TrainingData:
    """[n, 64]; the training and validation splits are healthy, half of the test split is damaged."""
    rng = np.random.default_rng(SEED)
    classes = np.concatenate([np.zeros(TRAIN + VALIDATION + TEST, np.int64), np.ones(TEST, np.int64)])
    samples = np.stack([bands(vibration(rng, faulty=bool(number))) for number in classes])
    return in_order(samples.astype(np.float32), classes, LABELS, validation=VALIDATION, test=2 * TEST)


def vibration(rng: np.random.Generator, *, faulty: bool) -> NDArray[np.float64]:
    """One window of acceleration in g. A damaged bearing adds short ringing impacts near 3.2 kHz."""
    t = np.arange(WINDOW) / SAMPLE_RATE_HZ
    shaft_hz = rng.uniform(24, 31)

    def tone(hz: float, amplitude: float) -> NDArray[np.float64]:
        wave: NDArray[np.float64] = amplitude * np.sin(2 * np.pi * hz * t + rng.uniform(0, 2 * np.pi))
        return wave

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
    levels: NDArray[np.float64] = np.clip((np.log10(power.reshape(BANDS, -1).mean(axis=1) + 1e-6) + 4) / 6, 0, 1)
    return levels
