"""One second of synthetic speech as log-mel spectrograms: the keywords yes and no, other syllables, and silence.

A source-filter voice: a glottal pulse train or noise through three resonances (formants) that glide from phone to
phone. Voices differ in pitch, length of the vocal tract, pace and loudness; there is noise in every recording. Real
voices are harder: the numbers of this set compare models, they do not promise what a microphone will give.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo.generators.parts import in_order
from zoo.training.data import TrainingData

SEED = 5
LABELS = ("silence", "unknown", "yes", "no")
TRAIN, VALIDATION, TEST = 2000, 160, 480
RATE_HZ = 16_000
FRAME, HOP, FRAMES, BANDS = 480, 320, 49, 40
LOWEST_HZ, HIGHEST_HZ = 60.0, 7600.0
LOUDNESS_DB = (-6.0, 6.0)
NOISE_DB = (-40.0, -20.0)

Signal = NDArray[np.float64]

# (formants in Hz, voiced share, length in seconds); from tables of mean formants of American English.
_PHONES: dict[str, tuple[tuple[float, float, float], float, float]] = {
    "j": ((280, 2250, 2900), 1.0, 0.08),
    "e": ((550, 1800, 2500), 1.0, 0.14),
    "s": ((4500, 5500, 7000), 0.0, 0.16),
    "n": ((250, 1400, 2300), 1.0, 0.09),
    "o": ((480, 900, 2400), 1.0, 0.13),
    "u": ((320, 850, 2250), 1.0, 0.10),
    "a": ((730, 1100, 2440), 1.0, 0.14),
    "i": ((280, 2250, 2950), 1.0, 0.13),
    "f": ((1400, 3500, 7200), 0.0, 0.10),
    "l": ((360, 1100, 2600), 1.0, 0.08),
    "r": ((420, 1250, 1600), 1.0, 0.09),
    "S": ((2500, 3800, 5500), 0.0, 0.14),
}
_WORDS = {"yes": ("jes",), "no": ("nou",)}
_OTHERS = ("la", "fi", "Sa", "aS", "ro", "isa", "ole", "uri", "naf", "jo", "es", "ou", "len", "Si")


def make() -> TrainingData:
    """[n, 49, 40, 1] from 0 to 1, labels in equal shares."""
    rng = np.random.default_rng(SEED)
    classes = rng.permutation(np.arange(TRAIN + VALIDATION + TEST) % len(LABELS)).astype(np.int64)
    filters = _mel_filters()
    spectrograms = np.stack([spectrogram(recording(rng, LABELS[number]), filters) for number in classes])
    return in_order(spectrograms[..., np.newaxis], classes, LABELS, validation=VALIDATION, test=TEST)


def recording(rng: np.random.Generator, label: str) -> Signal:
    """One second at 16 kHz."""
    signal = np.zeros(RATE_HZ)
    words = _WORDS.get(label, _OTHERS if label == "unknown" else ())
    if words:
        spoken = _speak(rng, words[rng.integers(len(words))])[: RATE_HZ - 800]
        start = rng.integers(0, RATE_HZ - len(spoken))
        spoken *= 10 ** (rng.uniform(*LOUDNESS_DB) / 20) * 0.1 / max(float(np.sqrt(np.mean(spoken**2))), 1e-9)
        signal[start : start + len(spoken)] = spoken
    noise = rng.normal(0, 1, RATE_HZ)
    if rng.random() < 0.5:  # a hum or a fan: noise with its energy low down
        noise = np.convolve(noise, np.ones(16) / 4, "same")
    noisy: Signal = signal + noise * 10 ** (rng.uniform(*NOISE_DB) / 20) * 0.1
    return noisy


def spectrogram(signal: Signal, filters: Signal) -> NDArray[np.float32]:
    """49 frames of 40 mel bands: log10 of the energy, -4..2 mapped to 0..1."""
    starts = np.arange(FRAMES)[:, None] * HOP + np.arange(FRAME)
    power = np.abs(np.fft.rfft(signal[starts] * np.hanning(FRAME), 512)) ** 2
    levels = (np.log10(power @ filters.T + 1e-6) + 4) / 6
    return np.clip(levels, 0, 1).astype(np.float32)


def _speak(rng: np.random.Generator, word: str) -> Signal:
    pitch, tract, pace = rng.uniform(85, 240), rng.uniform(0.86, 1.16), rng.uniform(0.75, 1.35)
    phones = [_PHONES[phone] for phone in word]
    lengths = [max(int(length * pace * rng.uniform(0.8, 1.2) * RATE_HZ), 400) for _, _, length in phones]
    middles = np.cumsum(lengths) - np.array(lengths) / 2
    at = np.arange(sum(lengths))
    voiced = np.interp(at, middles, [share for _, share, _ in phones])
    glide = pitch * (1 + rng.uniform(-0.15, 0.15) * at / len(at))
    pulses = np.diff(np.floor(np.cumsum(glide / RATE_HZ)), prepend=0.0)
    source = 6 * pulses * voiced + rng.normal(0, 0.35, len(at)) * (1 - voiced)
    block = 160
    tracks = [np.interp(at[::block], middles, [tract * phone[0][i] for phone in phones]) for i in range(3)]
    return _resonate(source, np.stack(tracks, axis=1), block) * _fade(len(at))


def _resonate(source: Signal, formants: Signal, block: int) -> Signal:
    """The source through resonances in parallel, each held for `block` samples: products of spectra with overlap."""
    hz = np.fft.rfftfreq(4 * block, 1 / RATE_HZ)
    out = np.zeros(len(source) + 4 * block)
    for index, row in enumerate(formants):
        piece = source[index * block : (index + 1) * block]
        response = sum(1 / (1 + ((hz - centre) / (60 + 0.06 * centre)) ** 2) for centre in row)
        shaped = np.fft.irfft(np.fft.rfft(piece, 4 * block) * response)
        out[index * block : index * block + 4 * block] += shaped
    return out[: len(source)]


def _fade(length: int) -> Signal:
    ramp = np.minimum(np.arange(length), np.arange(length)[::-1]) / (0.02 * RATE_HZ)
    faded: Signal = np.clip(ramp, 0, 1)
    return faded


def _mel_filters() -> Signal:
    """40 triangles, evenly spaced in mel, over the 257 bins of the spectrum."""
    lowest, highest = (2595 * np.log10(1 + hz / 700) for hz in (LOWEST_HZ, HIGHEST_HZ))
    mel = np.linspace(lowest, highest, BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    hz = np.fft.rfftfreq(512, 1 / RATE_HZ)
    rising = (hz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - hz) / (edges[2:] - edges[1:-1])[:, None]
    filters: Signal = np.clip(np.minimum(rising, falling), 0, None)
    return filters
