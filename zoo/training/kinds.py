"""The kinds of training: each a function from a job's work to its outcome. TensorFlow: in the worker's process alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo import convert
from zoo.training import job, keras_file, loop, network
from zoo.training.data import Floats, Learned, Scaling, TrainingData, learned, outputs_wanted
from zoo.training.errors import DataError, RecipeError
from zoo.training.evaluation import evaluate
from zoo.training.instructions import estimate
from zoo.training.job import JsonObject, Outcome, Parent
from zoo.training.recipe import Recipe, parse_recipe


@dataclass(frozen=True)
class Work:
    """A job with its data loaded."""

    data: TrainingData
    recipe: Recipe | None
    parent: Parent | None
    folder: Path
    key: str
    report: loop.Report

    @property
    def asked(self) -> Recipe:
        """The recipe of the job, or without one the parent's."""
        if self.recipe is not None:
            return self.recipe
        if self.parent is None or not self.parent.recipe:
            raise RecipeError("There is no recipe, and no parent that has one.", field="recipe")
        return parse_recipe(self.parent.recipe)

    @property
    def origin(self) -> Parent:
        """The parent. Raises DataError without one."""
        if self.parent is None:
            raise DataError("This kind of job starts from a version of a model, and none is given.")
        return self.parent


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
    if list(work.data.labels) != parent.labels:
        raise DataError(
            f"The parent knows the labels {', '.join(parent.labels) or 'none'}; the data set has "
            f"{', '.join(work.data.labels) or 'none'}.",
            remedy="Use kind transfer: it gives the network a new head.",
        )
    outputs_wanted(recipe, work.data)
    scaling = Scaling.parse(parent.scaling)
    model = _parent_model(work)
    arrays = learned(recipe, work.data, scaling)
    loop.seed(recipe.seed)
    return _trained(work, recipe, model, arrays, scaling)


def transfer(work: Work) -> Outcome:
    """The parent's network up to its last dense layer, frozen, with a new head: the recipe's layers."""
    recipe, parent = work.asked, work.origin
    outputs = outputs_wanted(recipe, work.data)
    scaling = Scaling.parse(parent.scaling)
    base = _parent_model(work)
    arrays = learned(recipe, work.data, scaling)
    loop.seed(recipe.seed)
    model = network.with_new_head(recipe, base, outputs)
    document = {**recipe.document, "layers": _joined_layers(parent.recipe, recipe.document)}
    return _trained(work, recipe, model, arrays, scaling, continued=document)


def quantise(work: Work) -> Outcome:
    """The parent's float form as float32, float16, dynamic range and int8, side by side."""
    recipe, parent = work.asked, work.origin
    scaling = Scaling.parse(parent.scaling)
    model = _parent_model(work)
    representative = _representative(recipe, work.data, scaling)
    forms = {
        "float32": convert.to_float32(model),
        "float16": convert.to_float16(model),
        "dynamic_range": convert.to_dynamic_range(model),
        "int8": convert.to_int8(model, representative),
    }
    comparison: list[JsonObject] = []
    for form, data in forms.items():
        found = _evaluated(recipe, work.data, scaling, data, None)
        comparison.append(
            {
                "form": form,
                "bytes": len(data),
                "metric": found["metric"]["name"],
                "value": found["metric"]["int8"],
                "instructions": estimate(data, form),
            }
        )
    evaluation = _evaluated(recipe, work.data, scaling, forms["int8"], forms["float32"])
    files = {form: _write(work.folder, f"{form}.tflite", data) for form, data in forms.items()}
    files["keras"] = _write(work.folder, "model.keras", Path(parent.keras or "").read_bytes())
    return Outcome(files, parent.recipe, parent.scaling, parent.labels, evaluation, comparison, [])


def evaluation_of(work: Work) -> Outcome:
    """The parent on the held-out samples of the data; makes no model."""
    parent = work.origin
    recipe = work.asked
    if parent.labels and list(work.data.labels) != parent.labels:
        raise DataError(
            f"The model knows the labels {', '.join(parent.labels)}; the data set has "
            f"{', '.join(work.data.labels) or 'none'}."
        )
    float32 = Path(parent.float32).read_bytes() if parent.float32 else None
    scaling = Scaling.parse(parent.scaling)
    found = _evaluated(recipe, work.data, scaling, Path(parent.int8).read_bytes(), float32)
    return Outcome({}, None, None, list(work.data.labels), found, [], [])


CARRIED_OUT_BY: dict[str, Callable[[Work], Outcome]] = {
    job.CENTRALISED: centralised,
    job.TRANSFER: transfer,
    job.INCREMENTAL: incremental,
    job.QUANTISE: quantise,
    job.EVALUATE: evaluation_of,
}


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
    source = _write(work.folder, "model.keras", keras_file.dump(model))
    # Converted from its file, so that quantising the version later gives the same bytes.
    model = keras_file.load(work.folder / source)
    int8 = convert.to_int8(model, _representative(recipe, work.data, scaling))
    float32 = convert.to_float32(model)
    files = {
        "int8": _write(work.folder, "int8.tflite", int8),
        "float32": _write(work.folder, "float32.tflite", float32),
        "keras": source,
    }
    return Outcome(
        files=files,
        recipe=continued or recipe.document,
        scaling=scaling.to_json(),
        labels=list(work.data.labels),
        evaluation=_evaluated(recipe, work.data, scaling, int8, float32),
        comparison=[],
        history=list(history),
    )


def _evaluated(recipe: Recipe, data: TrainingData, scaling: Scaling, int8: bytes, float32: bytes | None) -> JsonObject:
    return evaluate(
        recipe.task,
        data,
        scaling,
        int8=int8,
        float32=float32,
        from_logits=recipe.from_logits,
        normal=recipe.normal,
    )


def _representative(recipe: Recipe, data: TrainingData, scaling: Scaling) -> Floats:
    """Training samples evenly over the split: the ranges of int8 must see every kind."""
    count = min(recipe.representative_samples, len(data.train))
    if not count:
        raise DataError("The training split is empty: nothing fixes the ranges of int8.")
    chosen = data.train[np.linspace(0, len(data.train) - 1, count).astype(int)]
    return scaling.samples(data.samples[chosen])


def _parent_model(work: Work) -> Any:
    path = work.origin.keras
    if path is None:
        raise DataError(
            "The parent has no float form: it was uploaded as .tflite.",
            remedy="Take a version that was trained here.",
        )
    model = keras_file.load(Path(path))
    if model.input_shape[1:] != work.data.sample_shape:
        raise DataError(
            f"The parent takes samples of {list(model.input_shape[1:])}; the data set has "
            f"{list(work.data.sample_shape)}."
        )
    return model


def _joined_layers(parent: JsonObject, head: JsonObject) -> list[JsonObject]:
    """The layers of the joined network, so that it can be trained on as a whole."""
    layers: list[JsonObject] = parent["layers"]
    last = max(index for index, layer in enumerate(layers) if layer["type"] == "dense")
    return [*layers[:last], *head["layers"]]


def _write(folder: Path, name: str, data: bytes) -> str:
    """Written before result.json names it, so a crash in between leaves nothing that counts."""
    (folder / name).write_bytes(data)
    return name
