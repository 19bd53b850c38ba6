"""Trainable files: what LiteRT learns with them on a device is what Keras would have learned, operator by operator."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page

from tests.integration.zoo.conftest import Workshop
from tests.support.browser import chromium, pages_app, run, serving
from tests.support.digits import digits
from tests.support.trainable_networks import NETWORKS
from zoo.datasets import snapshot
from zoo.flatbuffer import Buffer
from zoo.training.data import TrainingData
from zoo.training.errors import DivergedError
from zoo.training.job import Outcome, Trainable
from zoo.training.on_device.document import NotTrainableError, TrainableDocument
from zoo.training.on_device.trainer import SIGNATURES, LiteRtTrainer

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def networks(
    tensorflow: None,  # noqa: ARG001 - asked for, so that it is there or the test is skipped
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folder with every network, made by one process that has TensorFlow."""
    folder = tmp_path_factory.mktemp("networks")
    made = subprocess.run(
        [sys.executable, "-m", "tests.support.trainable_networks", str(folder)],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert made.returncode == 0, made.stderr[-3000:]
    return folder


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path) as file:
        return dict(file)


@pytest.mark.parametrize("scope", ["all", "head"])
@pytest.mark.parametrize("name", NETWORKS)
def test_003_1_a_step_on_the_device_is_the_step_that_keras_makes(networks: Path, name: str, scope: str) -> None:
    trainer = LiteRtTrainer((networks / f"{name}-{scope}.tflite").read_bytes())
    wanted = _arrays(networks / f"{name}-{scope}.npz")
    before = trainer.get_weights()
    y = wanted["y"]
    outputs = np.eye(4, dtype=np.float32)[y] if y.ndim == 1 else y
    found = trainer._run["train"](
        x=wanted["x"], y=outputs, sample_weight=wanted["each"], learning_rate=np.float32(0.25)
    )
    assert found["loss"] == pytest.approx(float(wanted["loss"]), rel=1e-5)
    for place, (old, new) in enumerate(zip(before, trainer.get_weights(), strict=True)):
        gradient = wanted[f"g{place:03d}"]
        assert np.abs(gradient).max() > 1e-4, "the network has to learn for the comparison to say something"
        np.testing.assert_allclose((old - new) / 0.25, gradient, atol=1e-4 * np.abs(gradient).max())


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    with serving(pages_app()) as address, chromium() as browser:
        page = browser.new_page()
        page.goto(f"{address}/federate")
        yield page


@pytest.mark.browser
@pytest.mark.parametrize("name", NETWORKS)
def test_002_5_a_browser_learns_of_the_files_document_what_the_file_learns(
    networks: Path, tab: Page, name: str
) -> None:
    trainer = LiteRtTrainer((networks / f"{name}-all.tflite").read_bytes())
    loaded = _arrays(networks / f"{name}-all.npz")
    x, y, before = loaded["x"], loaded["y"], trainer.get_weights()
    found = run(
        tab,
        """const { Network } = await import("/web/network.js");
        const network = await Network.of(document);
        network.setWeights(before.map((values) => Float32Array.from(values)));
        const loss = await network.train({ values: Float32Array.from(x), count: 8, labels: y }, training, () => {});
        return { loss, weights: (await network.weights()).map((values) => Array.from(values)) };""",
        document=trainer.document.to_json(),
        before=[array.ravel().tolist() for array in before],
        x=x.ravel().tolist(),
        y=y.ravel().tolist(),
        training={"epochs": 2, "batch_size": len(x), "learning_rate": 0.25},
    )
    report = trainer.train(x, y, 2, 0.25, np.random.default_rng(0))  # the whole of it is one batch
    assert found["loss"] == pytest.approx(report.loss, rel=1e-4)
    for old, new, same in zip(before, trainer.get_weights(), found["weights"], strict=True):
        moved = np.abs(new - old).max()
        assert moved > 1e-5, "the network has to learn for the comparison to say something"
        np.testing.assert_allclose(np.reshape(same, new.shape), new, atol=1e-3 * moved)


def test_003_1_a_trainable_file_has_four_signatures_and_needs_no_operator_beside_litert(networks: Path) -> None:
    data = (networks / "convolutions-all.tflite").read_bytes()
    trainer = LiteRtTrainer(data)
    assert set(trainer._interpreter.get_signature_list()) == set(SIGNATURES)
    codes = Buffer(data).root().tables(1, 200)
    assert codes
    assert all(code.text(1, 100) == "" for code in codes), "a custom operator has a name"


def test_weights_that_are_set_before_anything_else_are_those_that_answer(networks: Path) -> None:
    data = (networks / "dense-all.tflite").read_bytes()
    taught, fresh = LiteRtTrainer(data), LiteRtTrainer(data)
    x = _arrays(networks / "dense-all.npz")["x"]
    taught.train(x, np.arange(8) % 4, 3, 0.1, np.random.default_rng(0))
    before = fresh.infer(x)
    fresh.set_weights(taught.get_weights())
    np.testing.assert_array_equal(fresh.infer(x), taught.infer(x))
    assert np.abs(fresh.infer(x) - before).max() > 0.01


def test_the_same_training_gives_the_same_bytes(networks: Path) -> None:
    data = (networks / "poolings-all.tflite").read_bytes()
    x = _arrays(networks / "poolings-all.npz")["x"]
    ends = []
    for _ in range(2):
        trainer = LiteRtTrainer(data)
        trainer.train(x, np.arange(8) % 4, 5, 0.05, np.random.default_rng(7))
        ends.append([array.tobytes() for array in trainer.get_weights()])
    assert ends[0] == ends[1]


def test_a_loss_that_is_no_number_ends_the_training_with_a_word_on_the_rate(networks: Path) -> None:
    trainer = LiteRtTrainer((networks / "regression-all.tflite").read_bytes())
    loaded = _arrays(networks / "regression-all.npz")
    with pytest.raises(DivergedError, match="not a number") as refused:
        trainer.train(loaded["x"], loaded["y"], 200, 1e6, np.random.default_rng(0))
    assert "smaller learning rate" in refused.value.remedy


def test_every_file_cut_short_or_of_another_kind_is_refused_with_what_to_do(networks: Path) -> None:
    data = (networks / "dense-head.tflite").read_bytes()
    shipped = (ROOT / "zoo/catalog/digits-cnn/digits-cnn.tflite").read_bytes()
    with pytest.raises(NotTrainableError, match="holds no document") as refused:
        LiteRtTrainer(shipped)
    assert "form `trainable`" in refused.value.remedy
    rng = np.random.default_rng(5)
    for _ in range(300):
        broken = bytearray(data[: int(rng.integers(0, len(data)))] if rng.random() < 0.5 else data)
        for _ in range(int(rng.integers(1, 6))):
            if broken:
                broken[int(rng.integers(0, len(broken)))] = int(rng.integers(0, 256))
        with contextlib.suppress(NotTrainableError):
            TrainableDocument.of_file(bytes(broken))


def test_a_version_that_was_trained_here_becomes_a_trainable_file_by_a_job(
    workshop: Workshop, trained: Outcome
) -> None:
    job = workshop.job(
        "trainable", None, workshop.parent("trained", trained), trainable=Trainable(scope="all", batch=16)
    )
    outcome = workshop.run(job, "trainable")
    trainer = LiteRtTrainer((workshop.folder / "trainable" / outcome.files["trainable"]).read_bytes())
    document = trainer.document
    assert (document.batch, document.scope, document.labels) == (16, "all", tuple("0123456789"))
    assert [item.name for item in trainer.parameters] == [
        "conv2d_0/kernel",
        "batch_normalisation_1/gamma",
        "batch_normalisation_1/beta",
        "dense_6/kernel",
        "dense_6/bias",
    ]
    data = TrainingData.of(snapshot.load(workshop.snapshot))
    held_out = data.held_out
    score = trainer.evaluate(data.samples[held_out], data.classes[held_out])
    assert trained.evaluation is not None
    assert score.accuracy == pytest.approx(trained.evaluation["float32"]["accuracy"], abs=1e-6)
    # Other eyes: turned pictures are another domain, and the device sees nothing else.
    pictures, numbers = digits()
    own = np.ascontiguousarray(np.rot90(pictures, 2, (1, 2)))
    x, y = document.samples(own[:400]), numbers[:400]
    before = trainer.evaluate(document.samples(own[400:800]), numbers[400:800]).accuracy
    report = trainer.train(x, y, 20, 0.1, np.random.default_rng(1))
    after = trainer.evaluate(document.samples(own[400:800]), numbers[400:800]).accuracy
    assert (report.steps, report.samples) == (20 * 25, 400)
    assert before is not None
    assert after is not None
    assert (before < 0.5, after > 0.8) == (True, True), (before, after)


def test_a_network_that_cannot_learn_on_a_device_is_refused_by_the_layer_and_with_what_goes(networks: Path) -> None:
    assert json.loads((networks / "refused.json").read_text()) == {
        "an-lstm": [
            "scope",
            "The layer recurrent (LSTM) cannot learn on a device.",
            "Take scope head: it keeps everything before the last dense layer as it is.",
        ],
        "a-head-without-bias": [
            "scope",
            "The last dense layer, dense_1, has no bias; a head is its kernel and its bias.",
            "Take scope all, or train the network with a bias there.",
        ],
        "a-scope-that-is-none": ["scope", "There is no scope 'tail'.", "Take all or head."],
        "no-batch": ["batch", "A batch of 0 samples.", "Take 1 to 1024."],
    }
