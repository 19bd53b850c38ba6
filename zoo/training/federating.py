"""The kind `federation-result`: a version's network with the weights that a federation averaged. TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.federated.parameters import Parameters
from zoo.training import keras_file, network
from zoo.training.data import Scaling
from zoo.training.errors import DataError
from zoo.training.job import Outcome
from zoo.training.learning import outcome
from zoo.training.work import Work


def federation_result(work: Work) -> Outcome:
    """The parent with the average in place of what was trained, in every form of a version."""
    federated, parent = work.averaged, work.origin
    work.require_labels_of_parent()
    model = keras_file.parent_model(work)
    _assign(model, federated.scope, Parameters.of(federated.parameters), Path(federated.weights).read_bytes())
    return outcome(work, work.asked, model, [], Scaling.parse(parent.scaling), parent.recipe)


def _assign(model: Any, scope: str, parameters: Parameters, values: bytes) -> None:
    """Put the values into the network's variables. Raises DataError when they are those of another network."""
    network.thaw(model)  # frozen variables are not listed
    variables = _head(model).trainable_variables if scope == "head" else model.trainable_variables
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [item.shape for item in parameters]:
        raise DataError(f"The federation's parameters are not those of the network, which has {shapes}.")
    found = np.frombuffer(values, "<f4")
    start = 0
    for variable, item in zip(variables, parameters, strict=True):
        variable.assign(found[start : start + item.count].reshape(item.shape))
        start += item.count


def _head(model: Any) -> Any:
    return next(layer for layer in reversed(model.layers) if isinstance(layer, tf.keras.layers.Dense))
