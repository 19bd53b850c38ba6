"""Samples that were collected on the device: an .npz with `x` and `y`. They are read here, and nowhere written."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.training.data import Floats, Integers
from zoo.training.errors import DataError
from zoo.training.on_device.document import TrainableDocument

_REMEDY = "Write it with numpy.savez(FILE, x=samples, y=answers); without answers for an anomaly detection."


@dataclass(frozen=True)
class Samples:
    """As the network takes them and answers them."""

    x: Floats
    y: Integers | Floats

    def __len__(self) -> int:
        return len(self.x)

    def part(self, rows: Integers) -> Samples:
        """Some of them."""
        return Samples(self.x[rows], self.y[rows])

    def split(self, share: float, seed: int) -> tuple[Samples, Samples]:
        """To learn from, and held out: at least one of each. Raises DataError when there are too few."""
        held_out = max(1, round(share * len(self)))
        if held_out >= len(self):
            raise DataError(
                f"Of {len(self)} samples {share:.0%} cannot be held out.", field="x", remedy="Collect more of them."
            )
        order = np.random.default_rng(seed).permutation(len(self))
        return self.part(np.sort(order[held_out:])), self.part(np.sort(order[:held_out]))


def load(path: Path, document: TrainableDocument) -> Samples:
    """Read a file for a model. Raises DataError."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            found: dict[str, NDArray[Any]] = {name: stored[name] for name in ("x", "y") if name in stored}
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.", remedy=_REMEDY) from error
    except (ValueError, EOFError, zipfile.BadZipFile, TypeError) as error:
        raise DataError(f"{path} is no .npz file of numbers: {error}.", remedy=_REMEDY) from error
    if "x" not in found or found["x"].dtype.kind not in "biuf" or found["x"].ndim < 1:
        raise DataError(f"{path} has no array x of samples.", field="x", remedy=_REMEDY)
    if not len(found["x"]):
        raise DataError(f"{path} has no samples.", field="x", remedy="Collect some first.")
    x = document.samples(found["x"])
    return Samples(x, document.targets(found.get("y"), x))
