"""The catalogue's models are what their cards say."""

import ast
import hashlib
import json
from pathlib import Path

import pytest

from zoo.cards import CATALOG, CatalogEntry, ModelCard, catalog, load, store
from zoo.errors import NoSuchModelError
from zoo.inspect import inspect, require_int8

BUILDABLE = {
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "AVERAGE_POOL_2D",
    "MAX_POOL_2D",
    "ADD",
    "SOFTMAX",
    "RESHAPE",
    "MEAN",
    "LOGISTIC",
    "QUANTIZE",
    "DEQUANTIZE",
}  # fmt: skip - one list
ENTRIES = pytest.mark.parametrize("entry", catalog(), ids=lambda entry: entry.name)


def test_the_catalogue_holds_a_classifier_a_regression_and_an_anomaly_detector() -> None:
    tasks = {entry.name: entry.card.task for entry in catalog()}
    assert tasks == {
        "digits-cnn": "classification",
        "hello-world-sine": "regression",
        "vibration-autoencoder": "anomaly-detection",
    }


@ENTRIES
def test_a_card_belongs_to_the_model_beside_it(entry: CatalogEntry) -> None:
    assert entry.card.model_sha256 == hashlib.sha256(entry.model).hexdigest()
    assert entry.card.training.command.split()[-1] == f"zoo/catalog/{entry.name}/train.py"
    assert (CATALOG / entry.name / "train.py").is_file()
    if entry.card.labels:
        assert len(entry.card.labels) == inspect(entry.model).outputs[0].shape[-1]


@ENTRIES
def test_a_model_is_small_int8_at_its_edges_and_of_operators_that_builders_know(entry: CatalogEntry) -> None:
    report = inspect(entry.model)
    require_int8(report)
    assert {tensor.dtype for tensor in (*report.inputs, *report.outputs)} == {"int8"}
    assert report.operator_counts.keys() <= BUILDABLE
    assert report.size < 200_000


def test_the_stated_metrics_are_those_the_models_are_meant_to_reach() -> None:
    assert load("digits-cnn").card.metric.int8 >= 0.95
    assert load("hello-world-sine").card.metric.int8 < 0.1
    assert 0.95 < load("vibration-autoencoder").card.metric.int8 < 1  # 1 would mean that the data is too easy


@pytest.mark.parametrize("name", ["mnist", "", "..", "../catalog/digits-cnn", "digits-cnn/", "DIGITS-CNN", "\x00"])
def test_a_name_that_is_not_in_the_catalogue_is_told_the_ones_that_are(name: str) -> None:
    with pytest.raises(NoSuchModelError, match="digits-cnn, hello-world-sine, vibration-autoencoder"):
        load(name)


@ENTRIES
def test_a_card_survives_being_written_and_read(entry: CatalogEntry) -> None:
    assert ModelCard.parse(json.dumps(entry.card.to_json())) == entry.card


def test_storing_a_new_model_replaces_metric_and_hash_and_leaves_the_rest(tmp_path: Path) -> None:
    old = load("hello-world-sine").card
    source = CATALOG / old.name
    new = store(source, tmp_path / "new", b"model", [[1.0]], load("digits-cnn").card.metric)
    assert new.model_sha256 == hashlib.sha256(b"model").hexdigest()
    assert new.metric.name == "accuracy"
    assert new.description == old.description
    assert ModelCard.parse((tmp_path / "new" / "card.json").read_text()) == new
    assert (tmp_path / "new" / "hello-world-sine.tflite").read_bytes() == b"model"
    assert json.loads((tmp_path / "new" / "sample.json").read_text()) == {"instances": [[1.0]]}


def test_no_module_of_the_zoo_imports_tensorflow_when_it_is_imported() -> None:
    for module in CATALOG.parent.glob("*.py"):
        for node in ast.parse(module.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] in {"tensorflow", "keras", "sklearn"} for name in names), module
