"""Kinds of training that learn: from nothing, from a parent's weights, or a new head on a frozen parent. TensorFlow."""

from __future__ import annotations

from typing import Any

from zoo import convert
from zoo.training import keras_file, loop, network
from zoo.training.data import Learned, Scaling, learned, outputs_wanted
from zoo.training.errors import RecipeError
from zoo.training.job import JsonObject, Outcome
from zoo.training.recipe import Recipe
from zoo.training.work import Work


def centralised(work: Work) -> Outcome:
    """A new network, trained from nothing."""
    recipe = work.asked
    outputs = outputs_wanted(recipe, work.data)
    scaling = Scaling.of(recipe, work.data)
    arrays = learned(recipe, work.data, scaling)
    loop.seed(recipe.seed)
    model = network.build(recipe, work.data.sample_shape, outputs)
    return _trained(work, recipe, model, arrays, scaling)


def incremental(work: Work) -> Outcome:
    """The parent's network with its weights, trained on with other data."""
    recipe, parent = work.asked, work.origin
    if recipe.document.get("layers") != parent.recipe.get("layers"):
        raise RecipeError(
            "layers: an incremental training keeps the parent's network, and these are others.",
            field="layers",
            remedy="Leave the recipe out, or take over the parent's layers; for another head use kind transfer.",
        )
    work.require_labels_of_parent()
    outputs_wanted(recipe, work.data)
    scaling = Scaling.parse(parent.scaling)
    model = keras_file.parent_model(work)
    network.thaw(model)
    arrays = learned(recipe, work.data, scaling)
    loop.seed(recipe.seed)
    return _trained(work, recipe, model, arrays, scaling)


def transfer(work: Work) -> Outcome:
    """The parent's network up to its last dense layer, frozen, with a new head: the recipe's layers."""
    recipe, parent = work.asked, work.origin
    outputs = outputs_wanted(recipe, work.data)
    scaling = Scaling.parse(parent.scaling)
    base = keras_file.parent_model(work)
    arrays = learned(recipe, work.data, scaling)
    loop.seed(recipe.seed)
    model = network.with_new_head(recipe, base, outputs)
    document = {**recipe.document, "layers": _joined_layers(parent.recipe, recipe.document)}
    return _trained(work, recipe, model, arrays, scaling, continued=document)


def _trained(
    work: Work,
    recipe: Recipe,
    model: Any,
    arrays: Learned,
    scaling: Scaling,
    *,
    continued: JsonObject | None = None,
) -> Outcome:
    history = loop.train(model, recipe, arrays, work.folder, work.key, work.report)
    return outcome(work, recipe, model, history, scaling, continued or recipe.document)


def outcome(
    work: Work,
    recipe: Recipe,
    model: Any,
    history: list[dict[str, float]],
    scaling: Scaling,
    document: JsonObject | None,
) -> Outcome:
    """Write the forms of a trained model, and evaluate them; with the recipe `document` it can be trained on."""
    source = work.write("model.keras", keras_file.dump(model))
    # Converted from its file, so that quantising the version later gives the same bytes.
    model = keras_file.load(work.folder / source)
    int8 = convert.to_int8(model, work.representative(recipe, scaling))
    float32 = convert.to_float32(model)
    files = {
        "int8": work.write("int8.tflite", int8),
        "float32": work.write("float32.tflite", float32),
        "keras": source,
    }
    return Outcome(
        files=files,
        recipe=document,
        scaling=scaling.to_json(),
        labels=list(work.data.labels),
        evaluation=work.evaluated(recipe, scaling, int8, float32),
        comparison=[],
        history=list(history),
    )


def _joined_layers(parent: JsonObject, head: JsonObject) -> list[JsonObject]:
    """The layers of the joined network, so that it can be trained on as a whole."""
    layers: list[JsonObject] = parent["layers"]
    last = max(index for index, layer in enumerate(layers) if layer["type"] == "dense")
    return [*layers[:last], *head["layers"]]
