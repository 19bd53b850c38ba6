"""Checkpoints: everything that a training needs to go on exactly where it was, in one file that is whole or absent."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo import durable

Array = NDArray[Any]


@dataclass
class State:
    """Between two epochs: `epoch` is the next one; arrays are the variables of the model and of the optimiser."""

    epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    variables: list[Array] = field(default_factory=list)
    best: list[Array] = field(default_factory=list)
    best_loss: float | None = None
    waited: int = 0


def save(path: Path, state: State, key: str) -> None:
    """Write the state durably; `key` names the job's inputs, so that another job's file is not taken for it."""
    told = json.dumps(
        {
            "key": key,
            "epoch": state.epoch,
            "history": state.history,
            "best_loss": state.best_loss,
            "waited": state.waited,
            "variables": len(state.variables),
            "best": len(state.best),
        }
    )
    arrays = {f"v{i}": array for i, array in enumerate(state.variables)}
    arrays |= {f"b{i}": array for i, array in enumerate(state.best)}
    arrays["told"] = np.frombuffer(told.encode(), np.uint8)
    durable.write_by(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]  # the stub takes the names for its own options


def load(path: Path, key: str) -> State | None:
    """The state, or None when there is none of this job."""
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as stored:
        told = json.loads(stored["told"].tobytes())
        if told["key"] != key:
            return None
        return State(
            epoch=told["epoch"],
            history=told["history"],
            variables=[stored[f"v{i}"] for i in range(told["variables"])],
            best=[stored[f"b{i}"] for i in range(told["best"])],
            best_loss=told["best_loss"],
            waited=told["waited"],
        )
