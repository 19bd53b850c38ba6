"""What a trainable file says of itself is believed where it fits the file, and refused where it does not."""

import json
from typing import Any

import numpy as np
import pytest

from tests.support.trainable_digits import WHOLE
from zoo.training.errors import DataError
from zoo.training.on_device.document import NotTrainableError, TrainableDocument
from zoo.training.on_device.trainer import LiteRtTrainer


@pytest.fixture
def told() -> dict[str, Any]:
    return TrainableDocument.of_file(WHOLE.read_bytes()).to_json()


def test_a_document_reads_as_it_was_written(told: dict[str, Any]) -> None:
    assert told["parameters"][0] == {"name": "dense_1/kernel", "shape": [64, 24]}
    assert [layer["type"] for layer in told["layers"]] == ["flatten", "dense", "dense"]
    assert told["layers"][1] == {"type": "dense", "name": "dense_1", "units": 24, "activation": "relu", "bias": True}
    assert TrainableDocument.of_json(json.loads(json.dumps(told))).to_json() == told


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": []},
        {"parameters": [{"name": "a", "shape": [0]}]},
        {"parameters": 7},
        {"input_shape": [8, -8, 1]},
        {"input_shape": [float("inf")]},
        {"input_shape": None},
        {"outputs": 0},
        {"batch": 1 << 40},
        {"batch": float("nan")},
        {"task": "world-domination"},
        {"labels": 3},
        {"layers": None},
        {"normalisation": {"mean": [float("nan")]}},
        {"normalisation": {"mean": 3}},
        {"normalisation": {"median": [3.0]}},
        {"normalisation": [1]},
    ],
)
def test_a_document_that_makes_no_sense_is_refused(told: dict[str, Any], change: dict[str, Any]) -> None:
    with pytest.raises(NotTrainableError) as refused:
        TrainableDocument.of_json({**told, **change})
    assert "form `trainable`" in refused.value.remedy


@pytest.mark.parametrize("name", ["parameters", "input_shape", "outputs", "batch", "task", "labels", "normalisation"])
def test_a_document_without_one_of_its_parts_is_refused(told: dict[str, Any], name: str) -> None:
    del told[name]
    with pytest.raises(NotTrainableError, match=name):
        TrainableDocument.of_json(told)


def test_a_document_that_is_not_that_of_its_file_is_refused(told: dict[str, Any]) -> None:
    data = WHOLE.read_bytes()
    for there, other in ((b'"batch":16', b'"batch":17'), (b'"input_shape":[8,8,1]', b'"input_shape":[8,1,8]')):
        assert data.count(there) == 1
        with pytest.raises(NotTrainableError, match="samples of another shape"):
            LiteRtTrainer(data.replace(there, other))
    swapped = data.replace(b'"shape":[64,24]', b'"shape":[24,64]')
    with pytest.raises(NotTrainableError, match="not those that its document names"):
        LiteRtTrainer(swapped)
    assert told["batch"] == 16


def test_no_samples_and_samples_of_another_shape_are_refused() -> None:
    trainer = LiteRtTrainer(WHOLE.read_bytes())
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match="There are no samples"):
        trainer.train(np.zeros((0, 8, 8, 1), np.float32), np.zeros(0, np.int64), 1, 0.1, rng)
    with pytest.raises(DataError, match=r"samples of \[8, 8, 1\]"):
        trainer.evaluate(np.zeros((2, 8, 8), np.float32), np.zeros(2, np.int64))
