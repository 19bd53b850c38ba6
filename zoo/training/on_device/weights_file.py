"""Weights on a device's disk: one .npz with a note of what they are, whole or absent after a power cut."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from zoo import durable
from zoo.federated.errors import ParametersError
from zoo.federated.parameters import Parameters, Weights
from zoo.training.errors import DataError

JsonObject = dict[str, Any]


def save(path: Path, weights: Weights, told: JsonObject) -> None:
    """Replace the file."""
    arrays = {f"w{place:03d}": array for place, array in enumerate(weights)}
    arrays["told"] = np.frombuffer(json.dumps(told).encode(), np.uint8)
    durable.write_by(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]  # the stub takes the names for its own options


def load(path: Path, parameters: Parameters) -> tuple[Weights, JsonObject]:
    """Weights of these parameters, and the note. Raises DataError for another file, FileNotFoundError for none."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            told = json.loads(stored["told"].tobytes())
            weights = parameters.checked([stored[f"w{place:03d}"] for place in range(len(parameters))])
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile, ParametersError) as error:
        raise DataError(
            f"{path} holds no weights of this model: {error}", remedy="Give the file that belongs to the model."
        ) from error
    if not isinstance(told, dict):
        raise DataError(f"{path} has no note of what it holds.", remedy="Give the file that belongs to the model.")
    return weights, told
