"""How often a drift monitor is wrong, and how soon it is right, on a model of the zoo and its own data.

    python -m bench.drift [--model digits-cnn] [--splits 500] [--seed 1]

All of the data is split anew into a reference and windows, again and again, so that both are of one population; then
the windows are changed. For each size of a window: the share of windows in which any statistic is above its threshold,
the share of devices with an alarm within ten windows, and the median of inferences until it.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.drift import Standing, Turn, step
from zoo.cards import load
from zoo.drift import CLASSES, CONFIDENCE, CONFIDENCE_EDGES, INPUT_DEVIATION, INPUT_MEAN, Distribution, Limits, compare
from zoo.generators import data_of
from zoo.predict import LoadedModel

REFERENCE = 268
WINDOWS = 10
CONSECUTIVE = 2

Samples = NDArray[np.float32]
Change = Callable[[Samples, np.random.Generator], Samples]

CHANGES: dict[str, Change] = {
    "nothing": lambda x, _: x,
    "inverted": lambda x, _: 1 - x,
    "noise of 0.1": lambda x, rng: np.clip(x + rng.normal(0, 0.1, x.shape), 0, 1).astype(np.float32),
    "noise of 0.3": lambda x, rng: np.clip(x + rng.normal(0, 0.3, x.shape), 0, 1).astype(np.float32),
    "a pixel aside": lambda x, _: np.roll(x, 1, axis=2),
    "gain of 0.8": lambda x, _: x * np.float32(0.8),
    "gain of 0.5": lambda x, _: x * np.float32(0.5),
}


@dataclass(frozen=True)
class Seen:
    """What is known of each sample."""

    classes: NDArray[np.int64]
    confidence: NDArray[np.float64]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def of(cls, model: LoadedModel, samples: Samples) -> Seen:
        """Through the model in LiteRT."""
        outputs = model.run(samples).reshape(len(samples), -1)
        flat = samples.reshape(len(samples), -1).astype(np.float64)
        return cls(outputs.argmax(axis=1), outputs.max(axis=1), flat.mean(axis=1), flat.std(axis=1))

    def reference(self, rows: NDArray[np.int64], classes: int, *, inputs: bool) -> dict[str, Distribution]:
        """As a job of kind `reference` makes it."""
        found = {
            CLASSES: Distribution(tuple(np.bincount(self.classes[rows], minlength=classes).tolist())),
            CONFIDENCE: Distribution.of_values(self.confidence[rows], CONFIDENCE_EDGES),
        }
        if inputs:
            found[INPUT_MEAN] = Distribution.of_quantiles(self.mean[rows])
            found[INPUT_DEVIATION] = Distribution.of_quantiles(self.deviation[rows])
        return found

    def window(self, rows: NDArray[np.int64], like: dict[str, Distribution]) -> dict[str, Distribution]:
        """In the same bins."""
        values = {CONFIDENCE: self.confidence, INPUT_MEAN: self.mean, INPUT_DEVIATION: self.deviation}
        classes = len(like[CLASSES].counts)
        found = {CLASSES: Distribution(tuple(np.bincount(self.classes[rows], minlength=classes).tolist()))}
        for name, item in like.items():
            if item.edges is not None:
                found[name] = Distribution.of_values(values[name][rows], item.edges)
        return found


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="digits-cnn")
    parser.add_argument("--splits", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    entry = load(arguments.model)
    model, data = LoadedModel(entry.model), data_of(arguments.model)
    rng = np.random.default_rng(arguments.seed)
    samples = data.samples
    plain = Seen.of(model, samples)
    print(f"{arguments.model}: reference of {REFERENCE} out of {len(samples)} samples, {arguments.splits} splits")
    print(f"{'':16}{'':10}{'output alone':>36}{'with moments of inputs':>36}")
    print(f"{'what changed':16}{'window':>10}" + f"{'windows':>12}{'alarms':>12}{'after':>12}" * 2)
    for name, change in CHANGES.items():
        seen = Seen.of(model, change(samples, rng))
        for size in (50, 100, 200):
            cells = []
            for inputs in (False, True):
                above, alarms, after = _measure(plain, seen, size, arguments.splits, rng, inputs=inputs)
                cells.append(f"{above:12.2%}{alarms:12.2%}{after if after is not None else '-':>12}")
            print(f"{name:16}{size:10}" + "".join(cells))


def _measure(
    plain: Seen, seen: Seen, size: int, splits: int, rng: np.random.Generator, *, inputs: bool
) -> tuple[float, float, float | None]:
    above, windows, after = 0, 0, list[int]()
    for _ in range(splits):
        order = rng.permutation(len(plain.classes))
        known = plain.reference(order[:REFERENCE], int(plain.classes.max()) + 1, inputs=inputs)
        standing = Standing()
        for number in range(1, min(WINDOWS, (len(order) - REFERENCE) // size) + 1):
            rows = order[REFERENCE + (number - 1) * size :][:size]
            found = compare(known, seen.window(rows, known), Limits())
            ratios = {item.statistic: item.ratio for item in found}
            windows, above = windows + 1, above + (max(ratios.values()) > 1)
            result = step(standing, ratios, CONSECUTIVE)
            standing = result.standing
            if result.turn is Turn.RAISE:
                after.append(number * size)
                break
    return above / windows, len(after) / splits, statistics.median(after) if after else None


if __name__ == "__main__":
    main()
