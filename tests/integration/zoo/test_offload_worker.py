"""A network of nntrainer with every kind of layer is built, trained, and its weights go through Keras unchanged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.integration.zoo.conftest import Workshop
from zoo.training import supervisor
from zoo.training.job import Offload, Outcome
from zoo.training.offload.description import parse_description
from zoo.training.offload.weights import Weights, parse_weights

# The rate is so small that weights stay what they are: what goes in has to come out.
INI = """
[Model]
Type = NeuralNetwork
Loss = cross
batch_size = 64
[Optimizer]
Type = sgd
[LearningRateScheduler]
Type = step
iteration = 2
learning_rate = 1e-12, 1e-13
[in]
Type = input
Input_Shape = 1:8:8
[wide]
Type = conv2d
filters = 3
kernel_size = 3,2
padding = 1,1,0,1
disable_bias = true
[norm]
Type = batch_normalization
activation = relu
[other]
Type = conv2d
input_layers = in
filters = 3
kernel_size = 1
activation = tanh
weight_initializer = he_normal
[sum]
Type = addition
input_layers = norm,other
[pool]
Type = pooling2d
pooling = max
pool_size = 2,2
stride = 2,2
[flat]
Type = flatten
[mean]
Type = pooling2d
input_layers = sum
pooling = global_average
[both]
Type = concat
input_layers = flat,mean
[drop]
Type = dropout
dropout_rate = 0.1
[out]
Type = fully_connected
unit = 10
[soft]
Type = activation
activation = softmax
"""
NETWORK = parse_description(INI.encode())


@pytest.fixture(scope="module")
def first(workshop: Workshop) -> Outcome:
    return _run(workshop, "offload-first", None)


def test_the_network_of_the_ini_is_the_one_that_is_trained(workshop: Workshop, first: Outcome) -> None:
    assert first.files.keys() == {"int8", "float32", "keras", "nntrainer"}
    assert first.recipe is None  # a recipe has neither additions nor steps of a rate
    assert NETWORK.parameters == 18 + 4 * 3 + 3 + 3 + (48 + 3) * 10 + 10
    stored = (workshop.folder / "offload-first" / first.files["nntrainer"]).read_bytes()
    assert len(stored) == NETWORK.parameters * 4 + 8  # sgd leaves no mark
    assert (first.evaluation or {})["metric"]["int8"] >= 0


def test_document_000_line_7_a_pretrained_bin_is_what_a_training_begins_from(
    workshop: Workshop, first: Outcome
) -> None:
    path = workshop.folder / "offload-first" / first.files["nntrainer"]
    _run(workshop, "offload-second", str(path))
    before, after = _weights(path), _weights(workshop.folder / "offload-second" / "trained.bin")
    assert (before.epoch, after.epoch) == (1, 2)
    moving = {1, 2}  # batch normalisation's mean and variance go on moving
    kept = [index for index in range(len(before.arrays)) if index not in moving]
    assert all(np.allclose(before.arrays[index], after.arrays[index], atol=1e-7) for index in kept)
    assert not np.allclose(before.arrays[1], after.arrays[1])
    assert float(np.abs(before.arrays[-2]).max()) > 0.01


def _run(workshop: Workshop, name: str, weights: str | None) -> Outcome:
    job = workshop.job("offload", None, offload=Offload(INI, weights, epochs=1, seed=5, shuffled=False))
    return supervisor.run(job, workshop.folder / name, report=lambda _: None, cancelled=lambda: False)


def _weights(path: Path) -> Weights:
    return parse_weights(NETWORK, path.read_bytes())
