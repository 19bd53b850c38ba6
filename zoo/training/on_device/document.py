"""What a trainable .tflite file says of itself: its parameters, its input, its layers; read from the file alone."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ModelError
from zoo.federated.errors import FederatedError
from zoo.federated.parameters import Parameters
from zoo.flatbuffer import Buffer
from zoo.training.data import Floats, Integers, Scaling
from zoo.training.errors import DataError, TrainingError
from zoo.training.recipe import ANOMALY, CLASSIFICATION, REGRESSION

BUFFER = "TINYMLAAS_TRAINABLE"
TRAINABLE = "trainable"
"""The form of a version that holds such a file."""
ALL, HEAD = "all", "head"
SCOPES = (ALL, HEAD)
MAX_FILE_BYTES = 64 << 20
MAX_DOCUMENT_BYTES = 1 << 20
MAX_BUFFERS = 16384
MAX_METADATA = 64

JsonObject = dict[str, Any]


class NotTrainableError(TrainingError):
    """The file is no trainable model."""

    code = "not_trainable"
    default_remedy = (
        "Take the form `trainable` of a version: `tinymlaas train trainable MODEL` makes it, and "
        "`tinymlaas models download MODEL@VERSION --form trainable` downloads it."
    )


@dataclass(frozen=True)
class TrainableDocument:
    """`batch` samples make a step; `layers` are those that learn, as a recipe has them, with every number filled in.

    `scaling` and `labels` are the version's: samples are scaled by it, outputs stand for the labels in their order.
    """

    parameters: Parameters
    input_shape: tuple[int, ...]
    outputs: int
    batch: int
    task: str
    loss: str
    from_logits: bool
    scope: str
    layers: tuple[JsonObject, ...]
    labels: tuple[str, ...]
    scaling: dict[str, list[float]] | None

    @property
    def weight_names(self) -> list[str]:
        """What the signatures call the parameters: w000, w001, ..."""
        return [f"w{place:03d}" for place in range(len(self.parameters))]

    def to_json(self) -> JsonObject:
        """As the API and the browser get it."""
        return {
            **{name: value for name, value in vars(self).items() if name != "scaling"},
            "parameters": self.parameters.to_json(),
            "input_shape": list(self.input_shape),
            "layers": list(self.layers),
            "labels": list(self.labels),
            "normalisation": self.scaling,
        }

    def to_bytes(self) -> bytes:
        """As the file holds it."""
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def of_json(cls, document: object) -> TrainableDocument:
        """From `to_json`. Raises NotTrainableError."""
        if not isinstance(document, dict):
            raise NotTrainableError("The document of the trainable model is no object.")
        try:
            found = cls(
                parameters=Parameters.of(document["parameters"]),
                input_shape=tuple(map(int, document["input_shape"])),
                outputs=int(document["outputs"]),
                batch=int(document["batch"]),
                task=str(document["task"]),
                loss=str(document["loss"]),
                from_logits=bool(document["from_logits"]),
                scope=str(document["scope"]),
                layers=tuple(document["layers"]),
                labels=tuple(map(str, document["labels"])),
                scaling=_scaling(document["normalisation"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError, FederatedError) as error:
            raise NotTrainableError(f"The document of the trainable model is damaged: {error!r}.") from error
        sizes = (*found.input_shape, found.outputs, found.batch)
        if min(sizes) < 1 or max(sizes) > 1 << 24 or found.task not in {CLASSIFICATION, REGRESSION, ANOMALY}:
            raise NotTrainableError("The document of the trainable model has sizes or a task that do not go.")
        return found

    @classmethod
    def of_file(cls, data: bytes) -> TrainableDocument:
        """Out of a .tflite file; every offset is checked. Raises NotTrainableError."""
        if len(data) > MAX_FILE_BYTES:
            raise NotTrainableError(f"The file has {len(data)} bytes; at most {MAX_FILE_BYTES} are read.")
        if data[4:8] != b"TFL3":
            raise NotTrainableError("The file is no TensorFlow Lite model.")
        try:
            model = Buffer(data).root()
            place = next(
                (
                    item.integer(1, 4, signed=False)
                    for item in model.tables(6, MAX_METADATA)
                    if item.text(0, 64) == BUFFER
                ),
                None,
            )
            if place is None:
                raise NotTrainableError("The model cannot be trained: it holds no document that says how.")
            text = model.tables(4, MAX_BUFFERS)[place].content(0, MAX_DOCUMENT_BYTES)
            return cls.of_json(json.loads(text))
        except (ModelError, IndexError, ValueError, RecursionError) as error:
            raise NotTrainableError(f"The file is damaged: {error}") from error

    def samples(self, values: NDArray[Any]) -> Floats:
        """Samples as the network sees them. Bytes of pictures become 0 to 1, as a data set has it. Raises DataError."""
        if values.shape[1:] != self.input_shape:
            raise DataError(
                f"The model takes samples of {list(self.input_shape)}; these are {list(values.shape[1:])}.", field="x"
            )
        floats = np.asarray(values, np.float32)
        if values.dtype == np.uint8 and len(self.input_shape) == 3:
            floats = floats / np.float32(255)
        scaled = Scaling.parse(self.scaling).samples(floats)
        if not np.isfinite(scaled).all():
            raise DataError("The samples hold values that are no numbers, or infinite ones.", field="x")
        return np.ascontiguousarray(scaled, np.float32)

    def targets(self, values: NDArray[Any] | None, samples: Floats) -> Integers | Floats:
        """Class numbers [n], or what the network is to give, [n, outputs]. `samples` are as the network sees them."""
        if self.task == ANOMALY:
            return samples.reshape(len(samples), -1)
        if values is None or len(values) != len(samples):
            raise DataError(
                f"There are {len(samples)} samples and {0 if values is None else len(values)} answers.", field="y"
            )
        if self.task == REGRESSION:
            wanted = np.asarray(values, np.float32).reshape(len(values), -1)
            if wanted.shape[1] != self.outputs or not np.isfinite(wanted).all():
                raise DataError(f"The answers of a sample are not {self.outputs} finite numbers.", field="y")
            return Scaling.parse(self.scaling).targets(wanted)
        names = {name: place for place, name in enumerate(self.labels or map(str, range(self.outputs)))}
        given = [str(item) for item in np.ravel(values).tolist()]
        unknown = sorted({item for item in given if item not in names})
        if unknown or len(given) != len(samples):
            raise DataError(
                f"The model knows the labels {', '.join(list(names)[:20])}; the data has {', '.join(unknown[:5])}.",
                field="y",
            )
        return np.array([names[item] for item in given], np.int64)


def _scaling(given: object) -> dict[str, list[float]] | None:
    """Numbers for the names of a Scaling. Raises ValueError and TypeError."""
    if given is None:
        return None
    if not isinstance(given, dict):
        raise TypeError("normalisation is no object")
    found = {str(name): [float(value) for value in values] for name, values in given.items()}
    if not all(math.isfinite(value) for values in found.values() for value in values):
        raise ValueError("normalisation has a value that is no number")
    Scaling.parse(found)
    return found
