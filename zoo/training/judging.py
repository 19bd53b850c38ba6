"""The kind `evaluate`: a version on the held-out samples of a data set; needs no TensorFlow."""

from __future__ import annotations

from pathlib import Path

from zoo.inspect import inspect
from zoo.training import evaluation
from zoo.training.data import Scaling
from zoo.training.job import Outcome
from zoo.training.recipe import ANOMALY, CLASSIFICATION, REGRESSION
from zoo.training.work import Work


def evaluate(work: Work) -> Outcome:
    """The parent on the held-out samples of the data; makes no model."""
    parent = work.origin
    work.require_labels_of_parent()
    int8 = Path(parent.int8).read_bytes()
    float32 = Path(parent.float32).read_bytes() if parent.float32 else None
    scaling = Scaling.parse(parent.scaling)
    if work.recipe is not None or parent.recipe:
        found = work.evaluated(work.asked, scaling, int8, float32)
    else:
        task, from_logits = task_of(work, int8)
        found = evaluation.evaluate(task, work.data, scaling, int8=int8, float32=float32, from_logits=from_logits)
    return Outcome({}, None, None, list(work.data.labels), found, [], [])


def task_of(work: Work, int8: bytes) -> tuple[str, bool]:
    """What the parent is for, and whether its outputs are logits.

    Of an uploaded model the data tells the task, and its last operator whether it gives probabilities.
    """
    if work.recipe is not None or (work.parent is not None and work.parent.recipe):
        return work.asked.task, work.asked.from_logits
    data = work.data
    task = CLASSIFICATION if data.labels else ANOMALY if data.targets is None else REGRESSION
    return task, not _gives_probabilities(int8)


def _gives_probabilities(model: bytes) -> bool:
    computing = [item.name for item in inspect(model).operators if item.name not in {"QUANTIZE", "DEQUANTIZE"}]
    return bool(computing) and computing[-1] in {"SOFTMAX", "LOGISTIC"}
