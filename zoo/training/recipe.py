"""Recipes: how a model is made from data, as a small declarative document that holds no code."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from zoo.training.errors import RecipeError

MAX_RECIPE_BYTES = 64 * 1024
_SCHEMA = Path(__file__).with_name("recipe.schema.json")

JsonObject = dict[str, Any]

CLASSIFICATION, REGRESSION, ANOMALY = "classification", "regression", "anomaly-detection"
CROSS_ENTROPY, SQUARED, ABSOLUTE = "cross-entropy", "mean-squared-error", "mean-absolute-error"


@dataclass(frozen=True)
class Layer:
    """One layer: its type, and its options with the schema's names."""

    type: str
    options: JsonObject


@dataclass(frozen=True)
class Optimiser:
    """How weights follow gradients."""

    type: str
    rate: float
    momentum: float
    schedule: str


@dataclass(frozen=True)
class Recipe:
    """A parsed recipe; `document` is what it was parsed from, with nothing added."""

    task: str
    layers: tuple[Layer, ...]
    loss: str
    from_logits: bool
    optimiser: Optimiser
    epochs: int
    batch: int
    seed: int
    normal: str | None
    standardise: bool
    standardise_target: bool
    augmentation: tuple[JsonObject, ...]
    patience: int | None
    representative_samples: int
    document: JsonObject

    def with_changes(self, *, epochs: int | None = None, seed: int | None = None) -> Recipe:
        """The same with other epochs or another seed, in the document too."""
        changes = {name: value for name, value in (("epochs", epochs), ("seed", seed)) if value is not None}
        return replace(parse_recipe({**self.document, **changes})) if changes else self


def parse_recipe(document: object) -> Recipe:
    """Check a document against the schema and against itself. Raises RecipeError with the field at fault."""
    error = _best(list(_validator().iter_errors(document)))
    if error is not None:
        field = _path(error)
        raise RecipeError(f"{field or 'The recipe'}: {_sentence(error)}", field=field or None)
    assert isinstance(document, dict)  # noqa: S101 - the schema has just seen to it; this is for the type checker
    task = document["task"]
    optimiser = document["optimiser"]
    recipe = Recipe(
        task=task,
        layers=tuple(_layer(item) for item in document["layers"]),
        loss=document.get("loss", CROSS_ENTROPY if task == CLASSIFICATION else SQUARED),
        from_logits=document.get("from_logits", False),
        optimiser=Optimiser(
            type=optimiser["type"],
            rate=float(optimiser["rate"]),
            momentum=float(optimiser.get("momentum", 0.0)),
            schedule=optimiser.get("schedule", "constant"),
        ),
        epochs=document["epochs"],
        batch=document["batch"],
        seed=document.get("seed", 1),
        normal=document.get("normal"),
        standardise=document.get("standardise", False),
        standardise_target=document.get("standardise_target", False),
        augmentation=tuple(document.get("augmentation", ())),
        patience=document.get("early_stopping", {}).get("patience"),
        representative_samples=document.get("representative_samples", 400),
        document=document,
    )
    _cross_check(recipe)
    return recipe


def read_recipe(text: str | bytes) -> Recipe:
    """Parse JSON, or YAML where it is no JSON. Raises RecipeError with line and column."""
    if len(text) > MAX_RECIPE_BYTES:
        raise RecipeError(f"The recipe has {len(text)} bytes; at most {MAX_RECIPE_BYTES} are read.")
    try:
        return parse_recipe(json.loads(text))
    except ValueError as json_error:
        import yaml  # only people write YAML

        try:
            document = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise RecipeError(f"The recipe is neither JSON ({json_error}) nor YAML ({error}).") from error
        if not isinstance(document, dict):
            raise RecipeError(f"The recipe is no JSON object: {json_error}.") from json_error
        return parse_recipe(document)


def _cross_check(recipe: Recipe) -> None:
    """What one field says about another; a JSON schema cannot."""
    classifies = recipe.task == CLASSIFICATION
    if classifies != (recipe.loss == CROSS_ENTROPY):
        raise RecipeError(f"loss: {recipe.loss} does not go with {recipe.task}.", field="loss")
    if recipe.from_logits and not classifies:
        raise RecipeError("from_logits: only a classification has logits.", field="from_logits")
    if recipe.standardise_target and recipe.task != REGRESSION:
        raise RecipeError("standardise_target: only a regression has a target.", field="standardise_target")
    if recipe.normal is not None and recipe.task != ANOMALY:
        raise RecipeError("normal: only an anomaly detection learns one label alone.", field="normal")
    if recipe.optimiser.momentum and recipe.optimiser.type != "sgd":
        raise RecipeError("optimiser.momentum: only sgd takes a momentum.", field="optimiser.momentum")
    last = len(recipe.layers) - 1
    for index, layer in enumerate(recipe.layers):
        if layer.type == "dense" and "units" not in layer.options and index != _last_dense(recipe.layers):
            raise RecipeError(
                f"layers[{index}].units: only the last dense layer may leave its units open.",
                field=f"layers[{index}].units",
            )
        if layer.type == "batch_normalisation" and not _folds(recipe.layers[index - 1] if index else None):
            raise RecipeError(
                f"layers[{index}]: batch normalisation stands right behind a convolution or a dense layer that has no "
                "activation; only there it becomes part of its weights, and elsewhere no builder compiles it.",
                field=f"layers[{index}]",
                remedy="Move it, and give the activation as a layer of its own behind it.",
            )
    ends = recipe.layers[last]
    softmax = "softmax" in {ends.options.get("activation"), ends.options.get("function")}
    if classifies and softmax == recipe.from_logits:
        raise RecipeError(
            f"layers[{last}]: a classification ends with softmax, or with a linear layer and from_logits: true; "
            "exactly one of the two.",
            field=f"layers[{last}]",
        )


def _folds(before: Layer | None) -> bool:
    weighted = {"dense", "conv2d", "depthwise_conv2d"}
    return before is not None and before.type in weighted and before.options.get("activation", "linear") == "linear"


def _last_dense(layers: tuple[Layer, ...]) -> int:
    return max((index for index, layer in enumerate(layers) if layer.type == "dense"), default=-1)


def _layer(item: JsonObject) -> Layer:
    return Layer(item["type"], {name: value for name, value in item.items() if name != "type"})


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(_SCHEMA.read_text(encoding="utf-8")))


def _best(errors: list[ValidationError]) -> ValidationError | None:
    """The error to show: of alternatives, the one inside the alternative whose `type` was meant."""
    if not errors:
        return None
    error = min(errors, key=lambda item: [str(part) for part in item.absolute_path])
    while error.validator == "oneOf" and error.context:
        meant = _meant(error)
        if meant is None:
            return error
        error = meant
    return error


def _meant(error: ValidationError) -> ValidationError | None:
    by_branch: dict[object, list[ValidationError]] = {}
    for inner in error.context or ():
        by_branch.setdefault(inner.schema_path[0], []).append(inner)
    for inners in by_branch.values():
        if not any(list(inner.path) == ["type"] for inner in inners) and isinstance(error.instance, dict):
            return inners[0]
    return None


def _path(error: ValidationError) -> str:
    text = ""
    for part in error.absolute_path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _sentence(error: ValidationError) -> str:
    if error.validator == "oneOf" and isinstance(error.instance, dict):
        kinds = sorted(_types(error.schema))
        given = error.instance.get("type")
        if kinds and given not in kinds:
            return f"there is no type {str(given)[:60]!r}; there are {', '.join(kinds)}."
    return f"{error.message[:300]}."


def _types(schema: Any) -> set[str]:
    found: set[str] = set()
    for branch in schema.get("oneOf", ()):
        kind = branch.get("properties", {}).get("type", {})
        found |= {kind["const"]} if "const" in kind else set(kind.get("enum", ()))
    return found
