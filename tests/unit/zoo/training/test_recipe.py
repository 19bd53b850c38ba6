"""Recipes are read with an error for everything that is wrong, which names the place and what to do."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from zoo.cards import recipe_names, recipe_text
from zoo.training.errors import RecipeError
from zoo.training.recipe import parse_recipe, read_recipe

GOOD: dict[str, Any] = {
    "recipe": 1,
    "task": "classification",
    "layers": [{"type": "flatten"}, {"type": "dense", "units": 8}, {"type": "dense", "activation": "softmax"}],
    "optimiser": {"type": "adam", "rate": 0.01},
    "epochs": 2,
    "batch": 16,
}


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_that_ships_is_read(name: str) -> None:
    assert read_recipe(recipe_text(name)).layers


def test_what_is_left_out_has_its_default() -> None:
    recipe = parse_recipe(GOOD)
    assert (recipe.loss, recipe.seed, recipe.optimiser.schedule) == ("cross-entropy", 1, "constant")
    assert recipe.document == GOOD


def test_changes_are_in_the_document_too_and_are_checked() -> None:
    recipe = parse_recipe(GOOD).with_changes(epochs=7, seed=9)
    assert (recipe.epochs, recipe.document["epochs"], recipe.document["seed"]) == (7, 7, 9)
    with pytest.raises(RecipeError, match="epochs"):
        parse_recipe(GOOD).with_changes(epochs=100_000)


Change = Callable[[dict[str, Any]], None]


def _set(*path: str | int, to: object) -> Change:
    def change(document: Any) -> None:
        for part in path[:-1]:
            document = document[part]
        document[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        (_set("epochs", to=0), "epochs", "minimum"),
        (_set("epochs", to="many"), "epochs", "integer"),
        (_set("python", to="import os"), None, "'python' was unexpected"),
        (_set("task", to="generation"), "task", "one of"),
        (_set("layers", to=[]), "layers", "non-empty|too short"),
        (_set("layers", 1, "type", to="lambda"), "layers[1]", "no type 'lambda'; there are .*dense"),
        (_set("layers", 1, "units", to=10**9), "layers[1].units", "maximum"),
        (_set("layers", 1, "code", to="x"), "layers[1]", "'code' was unexpected"),
        (_set("layers", 1, to={"type": "dense"}), "layers[1].units", "only the last dense layer"),
        (_set("layers", 2, "activation", to="linear"), "layers[2]", "ends with softmax"),
        (_set("from_logits", to=True), "layers[2]", "exactly one of the two"),
        (_set("layers", 1, to={"type": "batch_normalisation"}), "layers[1]", "right behind a convolution or a dense"),
        (_set("loss", to="mean-squared-error"), "loss", "does not go with classification"),
        (_set("optimiser", "rate", to=-1), "optimiser.rate", "minimum"),
        (_set("optimiser", "momentum", to=0.9), "optimiser.momentum", "only sgd"),
        (_set("normal", to="healthy"), "normal", "anomaly"),
        (_set("standardise_target", to=True), "standardise_target", "regression"),
        (_set("augmentation", to=[{"type": "shift"}]), "augmentation[0]", "'pixels' is a required"),
        (_set("augmentation", to=[{"type": "shear"}]), "augmentation[0]", "no type 'shear'; there are flip, gain"),
    ],
)
def test_a_wrong_recipe_names_the_place(change: Change, field: str | None, words: str) -> None:
    document = copy.deepcopy(GOOD)
    change(document)
    with pytest.raises(RecipeError, match=words) as refused:
        parse_recipe(document)
    assert refused.value.field == field
    assert refused.value.remedy


def test_yaml_is_read_too() -> None:
    text = """
        recipe: 1
        task: regression
        layers: [{type: dense}]
        optimiser: {type: sgd, rate: 0.1, momentum: 0.9}
        epochs: 1
        batch: 1
    """
    assert read_recipe(text).optimiser.momentum == 0.9


@pytest.mark.parametrize("text", ["[1, 2]", "{", "!!python/object/apply:os.system [ls]", "words", "", "[" * 70_000])
def test_what_is_no_recipe_is_refused(text: str) -> None:
    with pytest.raises(RecipeError):
        read_recipe(text)


def test_a_recipe_is_bounded() -> None:
    with pytest.raises(RecipeError, match="at most 65536"):
        read_recipe(json.dumps({**GOOD, "description": "x" * 70_000}))
