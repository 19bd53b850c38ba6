"""The kind `trainable`: a version in the form that devices train. TensorFlow: in the worker's process alone."""

from __future__ import annotations

from zoo.training import keras_file
from zoo.training.job import Outcome, Trainable
from zoo.training.on_device.document import ALL, TRAINABLE
from zoo.training.on_device.export import export_trainable
from zoo.training.work import Work


def trainable(work: Work) -> Outcome:
    """The parent's network as a trainable file; makes no version."""
    parent = work.origin
    wanted = work.trainable or Trainable(ALL, work.asked.batch)
    data = export_trainable(
        keras_file.parent_model(work),
        work.asked,
        scope=wanted.scope,
        batch=wanted.batch,
        scaling=parent.scaling,
        labels=tuple(parent.labels),
    )
    files = {TRAINABLE: work.write("trainable.tflite", data)}
    return Outcome(files, parent.recipe, parent.scaling, parent.labels, None, [], [])
