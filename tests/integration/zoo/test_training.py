"""Models of the catalogue can be made again, and then reach what their cards state."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.cards import CATALOG, ModelCard, catalog
from zoo.inspect import inspect, require_int8

ROOT = CATALOG.parents[1]
NAMES = tuple(entry.name for entry in catalog())


@pytest.fixture(scope="module")
def remade(
    tensorflow: None,  # noqa: ARG001 - asked for, so that it is there or the test is skipped
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Every model of the catalogue, trained again in one process: TensorFlow's start is a good part of it."""
    folder = tmp_path_factory.mktemp("zoo")
    finished = subprocess.run(
        [sys.executable, "-m", "zoo.training.retrain", "--out", str(folder)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", "CUDA_VISIBLE_DEVICES": "-1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_training_a_model_of_the_zoo_again_reaches_its_stated_metric(remade: Path, name: str) -> None:
    stated = ModelCard.parse((CATALOG / name / "card.json").read_text())
    made = ModelCard.parse((remade / name / "card.json").read_text())
    # The same bytes come out on the same kind of processor; another one may round the training differently.
    assert made.metric.float32 == pytest.approx(stated.metric.float32, abs=0.02)
    assert made.metric.int8 == pytest.approx(stated.metric.int8, abs=0.03)
    require_int8(inspect((remade / name / f"{name}.tflite").read_bytes()))
    assert json.loads((remade / name / "evaluation.json").read_text())["samples"] == stated.metric.samples
