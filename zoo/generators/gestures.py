"""Accelerometer windows of four gestures of a hand: 128 readings of x, y and z in g, at 100 Hz.

wing: two strokes up and down; ring: a circle in the plane of x and z; slope: a pull along a line with two jerks; idle:
lying or carried. Each has its own speed, strength, grip (a random small rotation) and sensor noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo.generators.parts import in_order
from zoo.training.data import TrainingData

SEED = 11
LABELS = ("idle", "ring", "slope", "wing")
READINGS, RATE_HZ = 128, 100
TRAIN, VALIDATION, TEST = 1600, 200, 600
NOISE_G, LARGEST_TILT = 0.12, 0.45

Motion = NDArray[np.float64]


def make() -> TrainingData:
    """[n, 128, 3, 1], labels in equal shares; clipped to 4 g as the sensor does."""
    rng = np.random.default_rng(SEED)
    classes = rng.permutation(np.arange(TRAIN + VALIDATION + TEST) % len(LABELS)).astype(np.int64)
    windows = np.stack([window(rng, LABELS[number]) for number in classes])
    samples = np.clip(windows, -4, 4).astype(np.float32)[..., np.newaxis]
    return in_order(samples, classes, LABELS, validation=VALIDATION, test=TEST)


def window(rng: np.random.Generator, gesture: str) -> Motion:
    """One window, [128, 3]."""
    t = np.arange(READINGS) / RATE_HZ
    begin, length, strength = rng.uniform(0.05, 0.35), rng.uniform(0.65, 0.9), rng.uniform(0.5, 1.5)
    phase = np.clip((t - begin) / length, 0, 1)
    inside = (phase > 0) & (phase < 1)
    envelope = np.sin(np.pi * phase) * inside
    motion = np.zeros((READINGS, 3))
    match gesture:
        case "wing":
            motion[:, 2] = np.sin(4 * np.pi * phase) * envelope
            motion[:, 0] = 0.4 * np.cos(4 * np.pi * phase) * envelope
        case "ring":
            turn = rng.choice((-1.0, 1.0))
            motion[:, 0] = np.cos(2 * np.pi * phase) * inside
            motion[:, 2] = turn * np.sin(2 * np.pi * phase) * inside
        case "slope":
            pull = np.exp(-(((phase - 0.25) / 0.1) ** 2)) - np.exp(-(((phase - 0.7) / 0.12) ** 2))
            motion[:, 0] = 1.2 * pull * inside
            motion[:, 2] = -0.8 * pull * inside
        case _:
            motion[:, rng.integers(3)] = 0.3 * np.sin(2 * np.pi * rng.uniform(0.5, 3) * t + rng.uniform(0, 6.3))
    motion *= strength
    motion[:, 2] += 1.0  # gravity
    return motion @ _tilt(rng).T + rng.normal(0, NOISE_G, motion.shape)


def _tilt(rng: np.random.Generator) -> Motion:
    """A rotation about a random axis by a random small angle (Rodrigues' formula)."""
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    angle = rng.uniform(-LARGEST_TILT, LARGEST_TILT)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    rotation: Motion = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return rotation
