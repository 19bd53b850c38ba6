"""The kind `quantise`: a float model in four forms, side by side. TensorFlow: in the worker's process alone."""

from __future__ import annotations

from pathlib import Path

from zoo import convert
from zoo.training import keras_file
from zoo.training.data import Scaling
from zoo.training.instructions import estimate
from zoo.training.job import JsonObject, Outcome
from zoo.training.work import Work


def quantise(work: Work) -> Outcome:
    """The parent's float form as float32, float16, dynamic range and int8, side by side."""
    recipe, parent = work.asked, work.origin
    scaling = Scaling.parse(parent.scaling)
    model = keras_file.parent_model(work)
    representative = work.representative(recipe, scaling)
    forms = {
        "float32": convert.to_float32(model),
        "float16": convert.to_float16(model),
        "dynamic_range": convert.to_dynamic_range(model),
        "int8": convert.to_int8(model, representative),
    }
    comparison: list[JsonObject] = []
    for form, data in forms.items():
        found = work.evaluated(recipe, scaling, data, None)
        comparison.append(
            {
                "form": form,
                "size": len(data),
                "metric": found["metric"]["name"],
                "value": found["metric"]["int8"],
                "instructions": estimate(data, form),
            }
        )
    evaluation = work.evaluated(recipe, scaling, forms["int8"], forms["float32"])
    files = {form: work.write(f"{form}.tflite", data) for form, data in forms.items()}
    files["keras"] = work.write("model.keras", Path(parent.keras or "").read_bytes())
    return Outcome(files, parent.recipe, parent.scaling, parent.labels, evaluation, comparison, [])
