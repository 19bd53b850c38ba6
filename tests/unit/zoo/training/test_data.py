"""Data reaches a network the same way on every run, and what does not fit is refused with a reason."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zoo.generators import GENERATORS, data_of
from zoo.training.data import Scaling, TrainingData, augmented, learned, order, outputs_wanted
from zoo.training.errors import DataError
from zoo.training.recipe import Recipe, parse_recipe

ROWS = np.arange(6)
LABELLED = TrainingData(
    np.arange(12, dtype=np.float32).reshape(6, 2),
    np.array([0, 1, 0, 1, 0, 1]),
    ("left", "right"),
    ROWS[:4],
    ROWS[4:5],
    ROWS[5:],
)
NUMBERS = replace(LABELLED, labels=(), targets=np.arange(6, dtype=np.float32).reshape(6, 1))


def _recipe(task: str = "classification", **more: Any) -> Recipe:
    ends = {"type": "dense", "activation": "softmax"} if task == "classification" else {"type": "dense"}
    document = {"recipe": 1, "task": task, "layers": [ends], "optimiser": {"type": "adam", "rate": 0.1}}
    return parse_recipe({**document, "epochs": 3, "batch": 2, **more})


def test_an_epoch_is_determined_by_seed_and_number_alone() -> None:
    recipe = _recipe(augmentation=[{"type": "noise", "deviation": 1.0}, {"type": "gain", "spread": 0.5}])
    fifth = augmented(LABELLED.samples, recipe, 5)
    augmented(LABELLED.samples, recipe, 6)
    assert np.array_equal(fifth, augmented(LABELLED.samples, recipe, 5))
    assert not np.array_equal(fifth, augmented(LABELLED.samples, recipe, 4))
    assert not np.array_equal(fifth, augmented(LABELLED.samples, recipe.with_changes(seed=2), 5))
    assert sorted(order(recipe, 5, 100)) == list(range(100))
    assert np.array_equal(order(recipe, 5, 100), order(recipe, 5, 100))
    assert not np.array_equal(order(recipe, 5, 100), order(recipe, 6, 100))


def test_a_shift_moves_pictures_and_lets_zeros_in() -> None:
    recipe = _recipe(augmentation=[{"type": "shift", "pixels": 2}])
    pictures = np.zeros((200, 5, 5, 1), np.float32)
    pictures[:, 2, 2] = 1
    moved = augmented(pictures, recipe, 0)
    assert moved.shape == pictures.shape
    assert moved.sum(axis=(1, 2, 3)).tolist() == [1.0] * 200
    places = {tuple(np.argwhere(picture[..., 0])[0].tolist()) for picture in moved}
    assert places == {(row, column) for row in range(5) for column in range(5)}


def test_a_flip_turns_about_half_of_the_pictures() -> None:
    recipe = _recipe(augmentation=[{"type": "flip"}])
    pictures = np.tile(np.array([1, 2, 3], np.float32).reshape(1, 1, 3, 1), (100, 1, 1, 1))
    turned = augmented(pictures, recipe, 0)[:, 0, 0, 0]
    assert set(turned.tolist()) == {1.0, 3.0}
    assert 30 < (turned == 3).sum() < 70


def test_a_series_cannot_be_shifted_like_a_picture() -> None:
    with pytest.raises(DataError, match="height, width and channels"):
        augmented(LABELLED.samples, _recipe(augmentation=[{"type": "flip"}]), 0)


def test_z_scores_come_from_the_training_split_and_a_constant_feature_stays_finite() -> None:
    samples = np.array([[1, 230], [3, 230], [1, 230], [3, 230], [1000, 230], [1, 230]], np.float32)
    data = replace(LABELLED, samples=samples)
    scaling = Scaling.of(_recipe(standardise=True), data)
    assert scaling.mean == (2.0, 230.0)
    assert scaling.deviation == (1.0, 1.0)
    assert scaling.samples(samples)[:2].tolist() == [[-1, 0], [1, 0]]
    assert Scaling.parse(scaling.to_json()) == scaling
    assert Scaling.of(_recipe(), data).to_json() is None


def test_targets_are_scaled_and_come_back_in_their_own_units() -> None:
    scaling = Scaling.of(_recipe("regression", standardise_target=True), NUMBERS)
    there = scaling.targets(NUMBERS.targets)  # type: ignore[arg-type]  # float32 as made above
    assert there[:4].std() == pytest.approx(1)
    assert scaling.unscaled(there).ravel().tolist() == pytest.approx([0, 1, 2, 3, 4, 5], abs=1e-6)


def test_an_anomaly_detection_learns_the_normal_label_alone() -> None:
    made = learned(_recipe("anomaly-detection", normal="left"), LABELLED, Scaling())
    assert made.train_x.tolist() == [[0, 1], [4, 5]]
    assert np.array_equal(made.train_x, made.train_y)
    with pytest.raises(DataError, match="no label 'healthy'; it has left, right"):
        learned(_recipe("anomaly-detection", normal="healthy"), LABELLED, Scaling())


@pytest.mark.parametrize(
    ("task", "data", "words"),
    [
        ("classification", NUMBERS, "no labels"),
        ("classification", replace(LABELLED, targets=np.zeros(6, np.int64)), "at least two labels"),
        ("regression", LABELLED, "numbers as targets"),
        ("regression", replace(NUMBERS, targets=None), "numbers as targets"),
        ("classification", replace(LABELLED, train=ROWS[:0]), "at least two labels"),
        ("regression", replace(NUMBERS, train=ROWS[:0]), "split is empty"),
        ("classification", replace(LABELLED, samples=np.full((6, 2), np.nan, np.float32)), "no numbers"),
        ("regression", replace(NUMBERS, targets=np.full((6, 1), np.inf, np.float32)), "no numbers"),
    ],
)
def test_data_that_does_not_fit_its_task_is_refused(task: str, data: TrainingData, words: str) -> None:
    def prepare() -> None:
        outputs_wanted(_recipe(task), data)
        learned(_recipe(task), data, Scaling())

    with pytest.raises(DataError, match=words):
        prepare()


@pytest.mark.parametrize("name", sorted(set(GENERATORS) - {"keyword-spotting"}))
def test_the_data_of_a_model_of_the_zoo_is_always_the_same_and_its_parts_are_disjoint(name: str) -> None:
    data, again = data_of(name), data_of(name)
    assert np.array_equal(data.samples, again.samples)
    used = np.concatenate([data.train, data.validation, data.test])
    assert sorted(used.tolist()) == list(range(len(data.samples)))
    assert np.isfinite(data.samples).all()
    if data.labels:
        assert set(data.classes[data.test].tolist()) == set(range(len(data.labels)))
