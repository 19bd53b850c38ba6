"""What a simulation is about: a network and its data, dealt out to clients, and a part that nobody trains on."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from zoo.cards import recipe_names, recipe_text
from zoo.federated import splits
from zoo.federated.clients import Client, Integers
from zoo.federated.errors import ParticipantsError
from zoo.federated.parameters import Floats
from zoo.generators import data_of
from zoo.training.data import Scaling, TrainingData
from zoo.training.errors import RecipeError, WorkerError
from zoo.training.recipe import CLASSIFICATION, Recipe, read_recipe
from zoo.training.supervisor import environment

DIGITS = "digits"
_DIGITS_DATA = "digits-cnn"
_HELD_OUT = 0.2
_INITIAL_SECONDS = 300
_ROOT = Path(__file__).parents[2]


class Split(StrEnum):
    """How samples are dealt out."""

    LABEL = "label"
    WRITER = "writer"
    EVEN = "even"


@dataclass(frozen=True)
class Scenario:
    """A recipe and its data, as the network sees them; `writers` numbers who made each sample, where that is known."""

    name: str
    recipe: Recipe
    data: TrainingData
    writers: Integers | None

    @classmethod
    def named(cls, name: str) -> Scenario:
        """`digits`, or a model of the catalogue that tells labels apart. Raises RecipeError or NoSuchModelError."""
        recipe = recipe_of(name)
        data = data_of(_DIGITS_DATA if name == DIGITS else name)
        if recipe.task != CLASSIFICATION:
            raise RecipeError(
                f"{name} is no classification: there are no labels to deal out.",
                field="model",
                remedy=f"Take one of {', '.join(simulated())}.",
            )
        of_digits = name in {DIGITS, _DIGITS_DATA}
        writers = splits.contiguous_writers(len(data.samples), splits.DIGITS_WRITERS) if of_digits else None
        return cls(name, recipe, data, writers)

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of their numbers."""
        return self.data.labels

    def dealt(
        self, split: Split, clients: int, alpha: float, seed: int
    ) -> tuple[list[Client], tuple[Floats, Integers]]:
        """The clients with their samples, and a fifth of all samples that nobody has. Raises ParticipantsError."""
        x, y = Scaling.of(self.recipe, self.data).samples(self.data.samples), self.data.classes
        places = np.random.default_rng(seed).permutation(len(x))
        held_out, rest = np.split(places, [round(_HELD_OUT * len(x))])
        rest = np.sort(rest)
        match split:
            case Split.LABEL:
                parts = splits.by_label(y[rest], clients, alpha, seed)
            case Split.EVEN:
                parts = splits.evenly(len(rest), clients, seed)
            case Split.WRITER:
                if self.writers is None:
                    raise ParticipantsError(
                        f"Nobody knows who made the samples of {self.name}.", f"Take {DIGITS}, or split by label."
                    )
                parts = splits.by_writer(self.writers[rest], clients)
        width = len(str(clients))
        made = [
            Client(f"client-{number + 1:0{width}}", x[rest[part]], y[rest[part]]) for number, part in enumerate(parts)
        ]
        return made, (x[held_out], y[held_out])

    def distribution(self, clients: Sequence[Client]) -> list[list[int]]:
        """Samples of each label at each client: [client][label]."""
        return [np.bincount(client.y, minlength=len(self.labels)).tolist() for client in clients]


def simulated() -> list[str]:
    """The names that `Scenario.named` takes."""
    return [DIGITS, *(name for name in recipe_names() if recipe_of(name).task == CLASSIFICATION)]


def recipe_of(name: str) -> Recipe:
    """The recipe of a simulation. Raises NoSuchModelError."""
    if name == DIGITS:
        return read_recipe(Path(__file__).with_name("digits.json").read_bytes())
    return read_recipe(recipe_text(name))


def initial(name: str, batch: int, seed: int) -> bytes:
    """The trainable file of a new network, made by a process of its own: TensorFlow ends with it.

    Raises RecipeError for a network that cannot learn on a device, WorkerError when the process fails otherwise.
    """
    with tempfile.TemporaryDirectory(prefix="tinymlaas-federation-") as folder:
        made = Path(folder) / "initial.tflite"
        command = [sys.executable, "-m", "zoo.federated.initial", name, str(batch), str(seed), str(made)]
        try:
            ended = subprocess.run(
                command, cwd=_ROOT, env=environment(), capture_output=True, timeout=_INITIAL_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise WorkerError(f"The first model was not made within {_INITIAL_SECONDS} seconds.") from error
        if ended.returncode == 0:
            return made.read_bytes()
        if ended.stdout:
            raise RecipeError(**json.loads(ended.stdout))
        said = " ".join(ended.stderr.decode("utf-8", "replace").split())[-500:]
        raise WorkerError(f"The first model could not be made: {said}")
