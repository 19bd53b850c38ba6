"""The catalogue's models are what their cards say."""

import ast
import hashlib
import json
from pathlib import Path

import pytest

from zoo.cards import CATALOG, CatalogEntry, ModelCard, catalog, load, store
from zoo.errors import NoSuchModelError
from zoo.inspect import inspect, require_int8
from zoo.training.recipe import parse_recipe

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


def test_the_catalogue_holds_classifiers_a_regression_and_an_anomaly_detector() -> None:
    tasks = {entry.name: entry.card.task for entry in catalog()}
    assert tasks == {
        "accelerometer-gestures": "classification",
        "digits-cnn": "classification",
        "hello-world-sine": "regression",
        "keyword-spotting": "classification",
        "lenet-digits": "classification",
        "vibration-autoencoder": "anomaly-detection",
        "wine-mlp": "classification",
    }


@ENTRIES
def test_a_card_belongs_to_the_model_beside_it(entry: CatalogEntry) -> None:
    assert entry.card.model_sha256 == hashlib.sha256(entry.model).hexdigest()
    assert entry.card.training.command == f"python -m zoo.training.retrain {entry.name}"
    assert parse_recipe(entry.recipe).seed == entry.card.training.seed
    assert parse_recipe(entry.recipe).task == entry.card.task
    stated = entry.evaluation["metric"]
    assert (entry.card.metric.float32, entry.card.metric.int8) == (
        round(stated["float32"], 4),
        round(stated["int8"], 4),
    )
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
    for name in ("digits-cnn", "wine-mlp", "accelerometer-gestures", "keyword-spotting"):
        assert load(name).card.metric.int8 >= 0.95
    assert load("lenet-digits").card.metric.int8 >= 0.85  # of people whom the training hardly saw
    assert load("hello-world-sine").card.metric.int8 < 0.1
    assert 0.95 < load("vibration-autoencoder").card.metric.int8 < 1  # 1 would mean that the data is too easy


@pytest.mark.parametrize("name", ["mnist", "", "..", "../catalog/digits-cnn", "digits-cnn/", "DIGITS-CNN", "\x00"])
def test_a_name_that_is_not_in_the_catalogue_is_told_the_ones_that_are(name: str) -> None:
    with pytest.raises(NoSuchModelError, match=", ".join(entry.name for entry in catalog())):
        load(name)


@ENTRIES
def test_a_card_survives_being_written_and_read(entry: CatalogEntry) -> None:
    assert ModelCard.parse(json.dumps(entry.card.to_json())) == entry.card


def test_storing_a_new_model_replaces_figures_and_hash_and_leaves_the_rest(tmp_path: Path) -> None:
    old = load("hello-world-sine").card
    evaluation = {"metric": {"float32": 0.01234567, "int8": 0.5}, "samples": 7}
    new = store(old.name, tmp_path / "new", model=b"model", sample=[[1.0]], scaling=None, evaluation=evaluation)
    assert new.model_sha256 == hashlib.sha256(b"model").hexdigest()
    assert (new.metric.float32, new.metric.int8, new.metric.samples) == (0.0123, 0.5, 7)
    assert (new.description, new.metric.name) == (old.description, old.metric.name)
    assert ModelCard.parse((tmp_path / "new" / "card.json").read_text()) == new
    assert (tmp_path / "new" / "hello-world-sine.tflite").read_bytes() == b"model"
    assert json.loads((tmp_path / "new" / "sample.json").read_text()) == {"instances": [[1.0]]}
    assert json.loads((tmp_path / "new" / "evaluation.json").read_text()) == evaluation


# Only a worker imports these; everything else may be in the server.
IN_WORKERS = {"learning", "network", "loop", "keras_file", "quantising", "federating"}
FOLDERS = ("", "training", "training/offload", "datasets", "generators")
IN_TRAININGS = {"digits", "lenet", "wine"}


def test_no_module_that_the_server_knows_imports_tensorflow_or_scikit_learn() -> None:
    zoo = CATALOG.parent
    modules = [path for folder in FOLDERS for path in (zoo / folder).glob("*.py")]
    for module in modules:
        if module.stem in IN_WORKERS | IN_TRAININGS:
            continue
        names: set[str] = set()
        for node in ast.parse(module.read_text()).body:
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            if isinstance(node, ast.ImportFrom):
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
        heavy = {"tensorflow", "keras", "sklearn"} & {name.split(".")[0] for name in names}
        workers = {f"zoo.training.{folder}{name}" for folder in ("", "offload.") for name in IN_WORKERS}
        assert not heavy, module
        assert not [name for name in names if any(f"{name}.".startswith(f"{worker}.") for worker in workers)], module
