"""A model of the catalogue can be made again, and then reaches what its card states."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.cards import CATALOG, ModelCard, load
from zoo.inspect import inspect, require_int8

ROOT = CATALOG.parents[1]


@pytest.fixture
def _tensorflow() -> None:
    if importlib.util.find_spec("tensorflow") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("TensorFlow is missing: install the extra `training`")
        pytest.skip("TensorFlow is not installed")


@pytest.mark.usefixtures("_tensorflow")
def test_training_the_sine_again_reproduces_its_stated_metric(tmp_path: Path) -> None:
    stated = load("hello-world-sine").card
    python, script = stated.training.command.removeprefix("PYTHONPATH=. ").split()
    assert python == "python"
    finished = subprocess.run(
        [sys.executable, str(ROOT / script), "--out", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    made = ModelCard.parse((tmp_path / "card.json").read_text())
    # The same bytes come out on the same kind of processor; another one may round the training differently.
    assert made.metric.float32 == pytest.approx(stated.metric.float32, abs=0.01)
    assert made.metric.int8 == pytest.approx(stated.metric.int8, abs=0.02)
    require_int8(inspect((tmp_path / "hello-world-sine.tflite").read_bytes()))
