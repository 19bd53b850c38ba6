"""The catalogue: models trained here, each a folder with card, int8 .tflite, sample, recipe and evaluation."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from zoo.errors import NoSuchModelError

CATALOG = Path(__file__).parent / "catalog"


@dataclass(frozen=True)
class DataSource:
    """Where the training data comes from and who may use it."""

    source: str
    licence: str


@dataclass(frozen=True)
class Metric:
    """One number for the model before and after quantisation, over `samples` that the training never saw."""

    name: str
    meaning: str
    float32: float
    int8: float
    samples: int


@dataclass(frozen=True)
class Training:
    """How to make the model again, from the repository's root."""

    command: str
    seed: int


@dataclass(frozen=True)
class ModelCard:
    """What a person needs to know before using a model. `labels` name the outputs of a classifier in order.

    `picture` says what becomes of the pixels of a PNG or JPEG: {"low", "high", "invert"}, as `zoo.photograph` reads it.
    `scaling` holds mean and deviation of each feature where the model takes z-scores and no values as measured.
    """

    name: str
    title: str
    task: str
    description: str
    licence: str
    data: DataSource
    input: str
    output: str
    labels: tuple[str, ...]
    metric: Metric
    training: Training
    model_sha256: str
    picture: dict[str, float] | None = None
    scaling: dict[str, list[float]] | None = None

    def to_json(self) -> dict[str, object]:
        """As card.json has it."""
        return asdict(self)

    @classmethod
    def parse(cls, text: str) -> ModelCard:
        """Read a card.json."""
        fields = json.loads(text)
        fields["data"] = DataSource(**fields["data"])
        fields["metric"] = Metric(**fields["metric"])
        fields["training"] = Training(**fields["training"])
        fields["labels"] = tuple(fields["labels"])
        return cls(**fields)


@dataclass(frozen=True)
class CatalogEntry:
    """A model of the catalogue; `sample` is a body for the predict call, {"instances": [...]}."""

    card: ModelCard
    model: bytes
    sample: dict[str, list[object]]
    recipe: dict[str, Any]
    evaluation: dict[str, Any]

    @property
    def name(self) -> str:
        """The model's name."""
        return self.card.name


@cache
def catalog() -> tuple[CatalogEntry, ...]:
    """Every model of the catalogue, by name."""
    return tuple(_read(card.parent) for card in sorted(CATALOG.glob("*/card.json")))


def load(name: str) -> CatalogEntry:
    """The model called `name`; raises NoSuchModelError. The name is compared with the known ones, never made a path."""
    for entry in catalog():
        if entry.name == name:
            return entry
    raise NoSuchModelError(f"The catalogue has no model {name[:80]!r}; it has {', '.join(e.name for e in catalog())}.")


def store(
    name: str,
    out: Path,
    *,
    model: bytes,
    sample: list[object],
    scaling: dict[str, list[float]] | None,
    evaluation: dict[str, Any],
) -> ModelCard:
    """Write a newly trained model of the catalogue into `out`; the card's figures are those of `evaluation`."""
    found = evaluation["metric"]
    card = _card(CATALOG / name)
    metric = replace(
        card.metric,
        float32=round(found["float32"], 4),
        int8=round(found["int8"], 4),
        samples=evaluation["samples"],
    )
    card = replace(card, metric=metric, scaling=scaling, model_sha256=hashlib.sha256(model).hexdigest())
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{card.name}.tflite").write_bytes(model)
    (out / "sample.json").write_text(json.dumps({"instances": sample}) + "\n")
    (out / "evaluation.json").write_text(json.dumps(evaluation) + "\n")
    (out / "card.json").write_text(json.dumps(card.to_json(), indent=2) + "\n")
    return card


def recipe_text(name: str) -> str:
    """The recipe of a model of the catalogue. Raises NoSuchModelError."""
    names = recipe_names()
    if name not in names:
        raise NoSuchModelError(f"There is no recipe {name[:80]!r}; there are {', '.join(names)}.")
    return (CATALOG / name / "recipe.json").read_text()


def recipe_names() -> tuple[str, ...]:
    """The models that can be made again."""
    return tuple(path.parent.name for path in sorted(CATALOG.glob("*/recipe.json")))


def _card(folder: Path) -> ModelCard:
    return ModelCard.parse((folder / "card.json").read_text())


def _read(folder: Path) -> CatalogEntry:
    return CatalogEntry(
        card=_card(folder),
        model=(folder / f"{folder.name}.tflite").read_bytes(),
        sample=json.loads((folder / "sample.json").read_text()),
        recipe=json.loads((folder / "recipe.json").read_text()),
        evaluation=json.loads((folder / "evaluation.json").read_text()),
    )
