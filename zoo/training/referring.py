"""The kind `reference`: what a version does on the held-out samples of its data, for devices to be compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.drift import (
    CLASSES,
    CONFIDENCE,
    CONFIDENCE_EDGES,
    INPUT_DEVIATION,
    INPUT_MEAN,
    MAX_CLASSES,
    MIN_VALUES,
    OUTPUT,
    Distribution,
    Reference,
    classes_and_confidence,
)
from zoo.predict import LoadedModel
from zoo.tensors import to_real, to_stored
from zoo.training.data import Scaling
from zoo.training.errors import DataError
from zoo.training.evaluation import outputs_of
from zoo.training.job import Outcome
from zoo.training.judging import task_of
from zoo.training.recipe import CLASSIFICATION
from zoo.training.work import Work


def refer(work: Work) -> Outcome:
    """The parent's int8 form over the held-out samples; makes no model.

    Held-out, because a device's samples are as new to the model: on those that it was trained on it is surer of itself.
    """
    parent, data = work.origin, work.data
    work.require_labels_of_parent()
    int8 = Path(parent.int8).read_bytes()
    task, from_logits = task_of(work, int8)
    held_out = data.held_out
    if len(held_out) < MIN_VALUES:
        raise DataError(
            f"The snapshot holds out {len(held_out)} samples; a reference takes {MIN_VALUES} or more.",
            field="snapshot",
            remedy="Take a snapshot of more samples, or one that holds out a larger share of them.",
        )
    given = Scaling.parse(parent.scaling).samples(data.samples[held_out])
    outputs = outputs_of(int8, given)
    if not np.isfinite(outputs).all():
        raise DataError("The model answers some of the samples with infinity or NaN.", field="snapshot")
    tensor = LoadedModel(int8).input
    seen = to_real(to_stored(given, tensor), tensor).reshape(len(held_out), -1)  # as the device gets it: saturated
    distributions = {
        INPUT_MEAN: Distribution.of_quantiles(seen.mean(axis=1)),
        INPUT_DEVIATION: Distribution.of_quantiles(seen.std(axis=1)),
    }
    if task == CLASSIFICATION and 2 <= outputs.shape[1] <= MAX_CLASSES:
        chosen, confidence = classes_and_confidence(outputs, from_logits=from_logits)
        counts = np.bincount(chosen, minlength=outputs.shape[1])
        distributions[CLASSES] = Distribution(tuple(counts.tolist()))
        distributions[CONFIDENCE] = Distribution.of_values(confidence, CONFIDENCE_EDGES)
    else:
        distributions[OUTPUT] = Distribution.of_quantiles(outputs.mean(axis=1))
    reference = Reference(
        task,
        from_logits,
        data.labels if CLASSES in distributions else (),
        "test" if len(data.test) else "validation",
        len(held_out),
        distributions,
    )
    return Outcome({}, None, None, list(data.labels), None, [], [], reference.to_json())
