"""The training worker: cancelled, limited, refused; and what it makes of each kind of job."""

import hashlib
import time
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.integration.zoo.conftest import Workshop
from tests.support.digits import SMALL_RECIPE, write_snapshot
from zoo.predict import LoadedModel
from zoo.training import supervisor
from zoo.training.errors import CancelledTraining, LimitError
from zoo.training.job import Job, Outcome
from zoo.training.supervisor import ReportedError

HEAD: dict[str, Any] = {
    "recipe": 1,
    "task": "classification",
    "layers": [{"type": "dense", "units": 16, "activation": "relu"}, {"type": "dense", "activation": "softmax"}],
    "optimiser": {"type": "adam", "rate": 0.01},
    "epochs": 6,
    "batch": 32,
}


def _hashes(folder: Path, outcome: Outcome) -> dict[str, str]:
    return {form: hashlib.sha256((folder / file).read_bytes()).hexdigest() for form, file in outcome.files.items()}


def _weights(keras: Path) -> dict[str, NDArray[Any]]:
    """Every array of a .keras file, by its path in it."""
    found: dict[str, NDArray[Any]] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with zipfile.ZipFile(keras) as file, h5py.File(BytesIO(file.read("model.weights.h5"))) as weights:
        weights.visititems(visit)
    return found


def test_a_training_learns_and_its_int8_form_agrees_with_the_float_one(trained: Outcome) -> None:
    assert trained.evaluation is not None
    assert trained.evaluation["metric"]["float32"] > 0.85
    assert abs(trained.evaluation["metric"]["float32"] - trained.evaluation["metric"]["int8"]) < 0.03
    assert trained.evaluation["drift"]["decisions_changed"] < 0.05
    assert [figures["epoch"] for figures in trained.history] == list(range(1, 21))
    assert trained.history[-1]["loss"] < trained.history[0]["loss"] / 2


def test_a_cancelled_training_stops_within_a_second(workshop: Workshop, tmp_path: Path) -> None:
    seen: list[float] = []

    def cancelled() -> bool:
        if (tmp_path / "lock").exists() and not seen:
            seen.append(time.monotonic())
        return bool(seen)

    job = workshop.job("centralised", {**SMALL_RECIPE, "epochs": 1000})
    with pytest.raises(CancelledTraining):
        supervisor.run(job, tmp_path, report=lambda _: None, cancelled=cancelled)
    assert time.monotonic() - seen[0] < 1


LARGE = [
    {"type": "flatten"},
    {"type": "dense", "units": 4096},
    {"type": "dense", "units": 900},
    SMALL_RECIPE["layers"][-1],
]


@pytest.mark.parametrize(
    ("limits", "words"),
    [({"seconds": 1}, "more than 1 seconds"), ({"memory_bytes": 64 << 20}, "more than 67108864 bytes of memory")],
)
def test_a_training_that_passes_a_limit_is_ended_with_the_limit_in_the_message(
    workshop: Workshop, tmp_path: Path, limits: dict[str, int], words: str
) -> None:
    job = workshop.job("centralised", {**SMALL_RECIPE, "epochs": 1000, "layers": LARGE}, **limits)
    with pytest.raises((LimitError, ReportedError), match=words):
        supervisor.run(job, tmp_path, report=lambda _: None, cancelled=lambda: False)


def test_layers_that_do_not_fit_are_named(workshop: Workshop, tmp_path: Path) -> None:
    layers = [
        {"type": "flatten"},
        {"type": "conv2d", "filters": 1, "kernel": 3},
        {"type": "dense", "activation": "softmax"},
    ]
    job = workshop.job("centralised", {**SMALL_RECIPE, "layers": layers})
    with pytest.raises(ReportedError, match=r"layers\[1\] \(conv2d\): .* its input is \[64\]") as refused:
        supervisor.run(job, tmp_path, report=lambda _: None, cancelled=lambda: False)
    assert (refused.value.slug, refused.value.field) == ("recipe_invalid", "layers[1]")


def test_data_that_was_changed_is_refused_before_tensorflow_starts(workshop: Workshop, tmp_path: Path) -> None:
    job = workshop.job("centralised", SMALL_RECIPE)
    other = Job(**{**vars(job), "snapshot_sha256": "0" * 64})
    with pytest.raises(ReportedError, match="hashes to"):
        supervisor.run(other, tmp_path, report=lambda _: None, cancelled=lambda: False)


def test_a_version_is_evaluated_without_tensorflow(workshop: Workshop, trained: Outcome) -> None:
    job = workshop.job("evaluate", None, workshop.parent("trained", trained))
    begun = time.monotonic()
    outcome = workshop.run(job, "evaluated")
    assert outcome.evaluation == trained.evaluation
    assert outcome.files == {}
    assert time.monotonic() - begun < 3


def test_document_003_line_4_transfer_keeps_the_backbone_and_learns_a_head(
    workshop: Workshop, trained: Outcome, tmp_path: Path
) -> None:
    # Another task: only the digits 0 to 4.
    few = Workshop(workshop.folder, tmp_path / "few", write_snapshot(tmp_path / "few", below=5))
    parent = workshop.parent("trained", trained)
    outcome = few.run(few.job("transfer", HEAD, parent), "transferred")
    assert outcome.labels == ["0", "1", "2", "3", "4"]
    assert outcome.evaluation is not None
    assert outcome.evaluation["metric"]["int8"] > 0.9
    before = _weights(workshop.folder / "trained" / "model.keras")
    after = _weights(workshop.folder / "transferred" / "model.keras")
    frozen = {array.tobytes() for array in after.values()}
    kernel = [array for array in before.values() if array.shape == (3, 3, 1, 6)]
    averages = [array for name, array in before.items() if "batch_norm" in name]
    assert len(kernel) == 1
    assert len(averages) == 4
    assert all(array.tobytes() in frozen for array in (*kernel, *averages))
    assert not any(array.shape[-1:] == (10,) for array in after.values())


def test_document_003_line_5_float_dynamic_range_and_int8_stand_side_by_side(
    workshop: Workshop, trained: Outcome
) -> None:
    outcome = workshop.run(workshop.job("quantise", None, workshop.parent("trained", trained)), "quantised")
    forms = {item["form"]: item for item in outcome.comparison}
    assert list(forms) == ["float32", "float16", "dynamic_range", "int8"]
    assert forms["float32"]["size"] > forms["float16"]["size"]
    for form, item in forms.items():
        assert item["metric"] == "accuracy"
        assert item["value"] == pytest.approx(forms["float32"]["value"], abs=0.03)
        assert item["size"] == (workshop.folder / "quantised" / f"{form}.tflite").stat().st_size
    assert forms["int8"]["instructions"] == min(item["instructions"] for item in forms.values())
    # The int8 form of a version is what its training made.
    assert (
        _hashes(workshop.folder / "quantised", outcome)["int8"] == _hashes(workshop.folder / "trained", trained)["int8"]
    )


@pytest.mark.usefixtures("tensorflow")
def test_document_003_line_9_its_keras_example_trains_and_converts(tmp_path: Path) -> None:
    # keras.datasets.mnist has to be downloaded; the digits that come with scikit-learn are blown up to 28x28.
    recipe = {
        "recipe": 1,
        "task": "classification",
        "layers": [
            {"type": "flatten"},
            {"type": "dense", "units": 128, "activation": "relu"},
            {"type": "dropout", "rate": 0.2},
            {"type": "dense", "units": 10},
        ],
        "loss": "cross-entropy",
        "from_logits": True,
        "optimiser": {"type": "adam", "rate": 0.001},
        "epochs": 5,
        "batch": 32,
    }
    large = Workshop(tmp_path, tmp_path / "large", write_snapshot(tmp_path / "large", size=28))
    outcome = large.run(large.job("centralised", recipe), "document-003")
    assert outcome.evaluation is not None
    assert outcome.evaluation["metric"]["float32"] > 0.85
    assert outcome.evaluation["metric"]["int8"] > 0.85
    model = LoadedModel((tmp_path / "document-003" / "int8.tflite").read_bytes())
    logits = model.run(np.zeros((1, 28, 28, 1), np.float32))
    assert logits.shape == (1, 10)
    assert outcome.evaluation["int8"]["calibration"]["expected_calibration_error"] < 0.5
