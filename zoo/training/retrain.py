"""Trains models of the catalogue again, from data to card: `python -m zoo.training.retrain [NAME ...]`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from zoo.cards import CATALOG, ModelCard, recipe_names, recipe_text, store
from zoo.generators import data_of
from zoo.training.data import Scaling, TrainingData
from zoo.training.evaluation import outputs_of
from zoo.training.kinds import CENTRALISED, carry_out
from zoo.training.recipe import ANOMALY, CLASSIFICATION, Recipe, read_recipe
from zoo.training.work import Work

_DIGITS = 4
"""Decimals of a sample's numbers: enough for int8, and a file that can be read."""


def retrain(name: str, out: Path) -> ModelCard:
    """Train one model and write it with sample, evaluation and card into `out`; always the same on one machine."""
    recipe, data = read_recipe(recipe_text(name)), data_of(name)
    with tempfile.TemporaryDirectory() as folder:
        work = Work(
            data=data,
            recipe=recipe,
            parent=None,
            folder=Path(folder),
            key=name,
            report=lambda figures: None,  # noqa: ARG005 - nobody waits
        )
        outcome = carry_out(CENTRALISED, work)
        model = (work.folder / outcome.files["int8"]).read_bytes()
    assert outcome.evaluation is not None  # noqa: S101 - a training evaluates; this is for the type checker
    sample = _sample(recipe, data, Scaling.parse(outcome.scaling), model)
    return store(name, out, model=model, sample=sample, scaling=outcome.scaling, evaluation=outcome.evaluation)


def _sample(recipe: Recipe, data: TrainingData, scaling: Scaling, model: bytes) -> list[object]:
    """Two telling samples: of two labels, the clearest of the abnormal ones, or points of a curve."""
    held_out = data.held_out
    given = scaling.samples(data.samples[held_out])
    if recipe.task == CLASSIFICATION:
        classes, count = data.classes[held_out], len(data.labels)
        chosen = [int(np.flatnonzero(classes == label)[0]) for label in (count // 3, count - max(1, count // 3))]
    elif recipe.task == ANOMALY:
        errors = np.mean((outputs_of(model, given) - given.reshape(len(given), -1)) ** 2, axis=1)
        chosen = [0, int(errors.argmax())]
    else:
        chosen = [0, len(given) // 4, len(given) // 2, 3 * len(given) // 4]
    return [np.round(given[index].astype(np.float64), _DIGITS).tolist() for index in chosen]


def main() -> None:
    """Retrain the models named, or all, and print one line of JSON for each."""
    from zoo.training.loop import make_deterministic  # TensorFlow: not for --help

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(recipe_names())}; all without one")
    parser.add_argument("--out", type=Path, default=CATALOG, help="a folder for each model is made there")
    given = parser.parse_args()
    make_deterministic()
    for name in given.names or recipe_names():
        card = retrain(name, given.out / name)
        sys.stdout.write(json.dumps({"model": name, "float32": card.metric.float32, "int8": card.metric.int8}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
