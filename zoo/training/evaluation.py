"""Evaluation of a model on samples that it never saw: what it gets wrong, how sure it is, what quantising changed.

A classification's calibration is the expected calibration error over ten equal bins of confidence (Naeini et al. 2015,
"Obtaining Well Calibrated Probabilities Using Bayesian Binning"); the area under the ROC curve is computed by ranks.
Everything is plain numpy, and the result is JSON.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.predict import LoadedModel
from zoo.training.data import Scaling, TrainingData
from zoo.training.errors import DataError
from zoo.training.recipe import ANOMALY, CLASSIFICATION, REGRESSION

JsonObject = dict[str, Any]
Numbers = NDArray[np.float64]

CALIBRATION_BINS = 10
HISTOGRAM_BINS = 20


def evaluate(
    task: str,
    data: TrainingData,
    scaling: Scaling,
    *,
    int8: bytes,
    float32: bytes | None,
    from_logits: bool = False,
    normal: str | None = None,
) -> JsonObject:
    """Run both forms over the held-out samples. Raises DataError when shapes or labels do not fit the model."""
    held_out = data.held_out
    given = scaling.samples(data.samples[held_out])
    quantised = outputs_of(int8, given)
    full = outputs_of(float32, given) if float32 is not None else None
    judged = {"int8": quantised} if full is None else {"float32": full, "int8": quantised}
    result: JsonObject = {"task": task, "samples": len(held_out), "split": "test" if len(data.test) else "validation"}
    result |= {
        form: judge(task, outputs, data, held_out, scaling, from_logits=from_logits, normal=normal)
        for form, outputs in judged.items()
    }
    name, better = METRICS[task]
    for form in judged:
        name = name if name in result[form] else "mean_squared_error"
    result["metric"] = {
        "name": name,
        "better": better if name == METRICS[task][0] else "lower",
        "float32": result["float32"][name] if full is not None else None,
        "int8": result["int8"][name],
    }
    result["drift"] = None if full is None else drift(task, full, quantised, from_logits=from_logits)
    return result


METRICS = {
    CLASSIFICATION: ("accuracy", "higher"),
    REGRESSION: ("mean_absolute_error", "lower"),
    ANOMALY: ("roc_auc", "higher"),
}
"""The one figure of a task, and which direction is better."""


def outputs_of(model: bytes, given: NDArray[np.float32]) -> Numbers:
    """The outputs of a .tflite for every sample, [n, outputs]. Raises DataError for samples of another shape."""
    loaded = LoadedModel(model)
    if loaded.instance_shape != given.shape[1:]:
        raise DataError(
            f"The model takes samples of {list(loaded.instance_shape)}; the data set has {list(given.shape[1:])}.",
            field="snapshot",
        )
    return loaded.run(given).reshape(len(given), -1)


def judge(
    task: str,
    outputs: Numbers,
    data: TrainingData,
    held_out: NDArray[np.int64],
    scaling: Scaling,
    *,
    from_logits: bool,
    normal: str | None,
) -> JsonObject:
    """The figures of one form of the model."""
    if task == CLASSIFICATION:
        if outputs.shape[1] != len(data.labels):
            raise DataError(
                f"The model has {outputs.shape[1]} outputs and the data set {len(data.labels)} labels.",
                field="snapshot",
            )
        return classification(probabilities(outputs, from_logits=from_logits), data.classes[held_out], data.labels)
    if task == REGRESSION:
        if data.targets is None or data.labels:
            raise DataError("A regression is evaluated against numbers, and the data set has none.", field="snapshot")
        wanted = data.targets[held_out].reshape(len(held_out), -1).astype(np.float64)
        if wanted.shape != outputs.shape:
            raise DataError(f"The model has {outputs.shape[1]} outputs and the data set {wanted.shape[1]} targets.")
        return regression(scaling.unscaled(outputs), wanted)
    given = scaling.samples(data.samples[held_out]).reshape(len(held_out), -1).astype(np.float64)
    abnormal = None
    if data.labels:
        abnormal = data.classes[held_out] != data.labels.index(normal or data.labels[0])
    return reconstruction(np.mean((given - outputs) ** 2, axis=1), abnormal)


def probabilities(outputs: Numbers, *, from_logits: bool) -> Numbers:
    """Rows that add up to one."""
    if from_logits:
        outputs = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    outputs = np.clip(outputs, 0, None)
    total = outputs.sum(axis=1, keepdims=True)
    # An int8 softmax may round every class to zero: then nothing is known of the sample.
    return np.where(total > 0, outputs / np.where(total > 0, total, 1), 1 / outputs.shape[1])


def classification(found: Numbers, classes: NDArray[np.int64], labels: tuple[str, ...]) -> JsonObject:
    """Confusion matrix (rows are the truth), precision, recall and F1 of each label, calibration."""
    chosen = found.argmax(axis=1)
    count = len(labels)
    matrix = np.bincount(classes * count + chosen, minlength=count * count).reshape(count, count)
    hits, truth, called = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    precision, recall = _share(hits, called), _share(hits, truth)
    f1 = _share(2 * hits, truth + called)
    present = truth > 0
    return {
        "accuracy": _rounded(np.mean(chosen == classes)),
        "macro_f1": _rounded(f1[present].mean()),
        "confusion": matrix.tolist(),
        "classes": [
            {
                "label": label,
                "precision": _rounded(precision[i]),
                "recall": _rounded(recall[i]),
                "f1": _rounded(f1[i]),
                "samples": int(truth[i]),
            }
            for i, label in enumerate(labels)
        ],
        "calibration": calibration(found.max(axis=1), chosen == classes),
    }


def calibration(confidence: Numbers, right: NDArray[np.bool_]) -> JsonObject:
    """Expected calibration error, and mean confidence and accuracy in each bin that holds samples."""
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    found = []
    error = 0.0
    for index in range(CALIBRATION_BINS):
        inside = bins == index
        if inside.any():
            sure, good = float(confidence[inside].mean()), float(right[inside].mean())
            error += abs(sure - good) * float(inside.mean())
            found.append({"confidence": _rounded(sure), "accuracy": _rounded(good), "samples": int(inside.sum())})
    return {"expected_calibration_error": _rounded(error), "bins": found}


def regression(found: Numbers, wanted: Numbers) -> JsonObject:
    """Errors in the target's own units, with their histogram."""
    errors = found - wanted
    spread = float(((wanted - wanted.mean(axis=0)) ** 2).sum())
    return {
        "mean_absolute_error": _rounded(np.abs(errors).mean()),
        "mean_squared_error": _rounded((errors**2).mean()),
        "largest_error": _rounded(np.abs(errors).max()),
        "r2": _rounded(1 - float((errors**2).sum()) / spread) if spread > 0 else None,
        "histogram": histogram(errors.ravel()),
    }


def reconstruction(scores: Numbers, abnormal: NDArray[np.bool_] | None) -> JsonObject:
    """Reconstruction errors, with their histogram; with both kinds of samples also how well they are told apart."""
    both = abnormal is not None and 0 < int(abnormal.sum()) < len(abnormal)
    result: JsonObject = {
        "mean_squared_error": _rounded(scores.mean() if abnormal is None or not both else scores[~abnormal].mean()),
        "histogram": histogram(scores),
    }
    if both and abnormal is not None:
        edges = np.linspace(scores.min(), max(scores.max(), scores.min() + 1e-12), HISTOGRAM_BINS + 1)
        result["roc_auc"] = _rounded(roc_auc(scores, abnormal))
        result["histogram"] = histogram(scores[~abnormal], edges)
        result["abnormal_histogram"] = histogram(scores[abnormal], edges)
    return result


def roc_auc(scores: Numbers, positive: NDArray[np.bool_]) -> float:
    """The chance that a positive sample scores higher than a negative one; ties count half."""
    ordered = np.sort(scores)
    ranks = (np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right") + 1) / 2
    positives = int(positive.sum())
    negatives = len(positive) - positives
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def drift(task: str, full: Numbers, quantised: Numbers, *, from_logits: bool) -> JsonObject:
    """How far the int8 outputs are from the float ones, in the output's units, and how often the decision changed."""
    difference = np.abs(full - quantised)
    result: JsonObject = {
        "mean_absolute_difference": _rounded(difference.mean()),
        "largest_difference": _rounded(difference.max()),
        "histogram": histogram((quantised - full).ravel()),
    }
    if task == CLASSIFICATION:
        before, after = (probabilities(values, from_logits=from_logits).argmax(axis=1) for values in (full, quantised))
        result["decisions_changed"] = _rounded(np.mean(before != after))
    return result


def histogram(values: Numbers, edges: Numbers | None = None) -> JsonObject:
    """Counts between edges."""
    counts, found = np.histogram(values, HISTOGRAM_BINS if edges is None else edges)
    return {"edges": [_rounded(edge) for edge in found], "counts": counts.tolist()}


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> Numbers:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), 0.0)


def _rounded(value: float | np.floating[Any]) -> float:
    """Six significant digits: more would be noise."""
    return float(f"{float(value):.6g}")
