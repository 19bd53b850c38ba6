"""Figures of an evaluation agree with a computation by hand, and its pictures show them."""

from xml.etree import ElementTree

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from zoo.cards import CatalogEntry, catalog, load
from zoo.generators import data_of
from zoo.training.data import Scaling
from zoo.training.errors import DataError
from zoo.training.evaluation import (
    calibration,
    classification,
    drift,
    evaluate,
    probabilities,
    reconstruction,
    regression,
    roc_auc,
)
from zoo.training.instructions import estimate
from zoo.training.pictures import pictures_of

# Truth a a a b b c, said a a b b c c.
CLASSES = np.array([0, 0, 0, 1, 1, 2])
SAID = np.array([[0.8, 0.1, 0.1], [0.6, 0.2, 0.2], [0.3, 0.4, 0.3], [0.1, 0.9, 0.0], [0.2, 0.3, 0.5], [0.0, 0.0, 1.0]])


def test_a_confusion_matrix_and_the_figures_of_each_label_are_those_computed_by_hand() -> None:
    figures = classification(SAID, CLASSES, ("a", "b", "c"))
    assert figures["confusion"] == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert figures["accuracy"] == pytest.approx(4 / 6, abs=1e-6)
    a, b, c = figures["classes"]
    assert (a["precision"], a["recall"], a["f1"], a["samples"]) == pytest.approx((1, 2 / 3, 0.8, 3), abs=1e-5)
    assert (b["precision"], b["recall"], b["f1"]) == pytest.approx((0.5, 0.5, 0.5))
    assert (c["precision"], c["recall"], c["f1"]) == pytest.approx((0.5, 1, 2 / 3), abs=1e-5)
    assert figures["macro_f1"] == pytest.approx((0.8 + 0.5 + 2 / 3) / 3, abs=1e-5)


def test_a_label_that_never_occurs_is_not_divided_by() -> None:
    figures = classification(SAID[:2], CLASSES[:2], ("a", "b", "c"))
    assert figures["classes"][2] == {"label": "c", "precision": 0, "recall": 0, "f1": 0, "samples": 0}
    assert figures["macro_f1"] == 1


def test_calibration_is_the_gap_of_confidence_and_accuracy_weighted_by_samples() -> None:
    figures = calibration(np.array([0.95, 0.95, 0.65, 0.65]), np.array([True, True, True, False]))
    # |0.95 - 1| / 2 + |0.65 - 0.5| / 2
    assert figures["expected_calibration_error"] == pytest.approx(0.1)
    assert [item["samples"] for item in figures["bins"]] == [2, 2]


def test_logits_become_probabilities_and_an_all_zero_int8_row_knows_nothing() -> None:
    assert probabilities(np.array([[0.0, np.log(3)]]), from_logits=True).tolist() == [pytest.approx([0.25, 0.75])]
    assert probabilities(np.zeros((1, 4)), from_logits=False).tolist() == [[0.25] * 4]


def test_the_area_under_the_curve_agrees_with_scikit_learn_also_with_ties() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        positive = rng.random(50) < 0.4
        scores = np.round(rng.random(50) + 0.3 * positive, 1)
        assert roc_auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores))


def test_errors_of_a_regression() -> None:
    figures = regression(np.array([[1.0], [2.0], [5.0]]), np.array([[1.0], [3.0], [3.0]]))
    assert figures["mean_absolute_error"] == 1
    assert figures["mean_squared_error"] == pytest.approx(5 / 3, abs=1e-5)
    assert figures["largest_error"] == 2
    assert figures["r2"] == pytest.approx(1 - 5 / (8 / 3), abs=1e-5)
    assert sum(figures["histogram"]["counts"]) == 3


def test_reconstruction_errors_without_abnormal_samples_have_no_curve() -> None:
    figures = reconstruction(np.array([0.1, 0.3]), None)
    assert "roc_auc" not in figures
    assert figures["mean_squared_error"] == pytest.approx(0.2)


def test_drift_tells_how_far_and_how_often_int8_decides_otherwise() -> None:
    figures = drift(
        "classification", np.array([[0.6, 0.4], [0.1, 0.9]]), np.array([[0.4, 0.6], [0.1, 0.9]]), from_logits=False
    )
    assert figures["decisions_changed"] == 0.5
    assert figures["largest_difference"] == pytest.approx(0.2)


def test_the_stated_evaluation_of_a_shipped_model_is_what_its_bytes_give() -> None:
    for name in ("wine-mlp", "hello-world-sine"):
        entry = load(name)
        scaling = Scaling.parse(entry.card.scaling)
        found = evaluate(entry.card.task, data_of(name), scaling, int8=entry.model, float32=None)
        assert found["int8"] == entry.evaluation["int8"]
        assert found["drift"] is None


def test_data_of_another_shape_or_with_other_labels_is_refused() -> None:
    with pytest.raises(DataError, match=r"samples of \[8, 8, 1\]; the data set has \[13\]"):
        evaluate("classification", data_of("wine-mlp"), Scaling(), int8=load("digits-cnn").model, float32=None)
    with pytest.raises(DataError, match="numbers, and the data set has none"):
        evaluate("regression", data_of("wine-mlp"), Scaling(), int8=load("wine-mlp").model, float32=None)


@pytest.mark.parametrize("entry", catalog(), ids=lambda entry: entry.name)
def test_every_shipped_evaluation_can_be_seen(entry: CatalogEntry) -> None:
    evaluation = entry.evaluation
    drawn = pictures_of(evaluation)
    expected = {"confusion", "calibration", "drift"} if evaluation["task"] == "classification" else {"errors", "drift"}
    assert drawn.keys() == expected
    for draw in drawn.values():
        root = ElementTree.fromstring(draw())  # noqa: S314 - of our own making; a broken one raises
        assert root.tag.endswith("svg")
        assert len(list(root)) > 5


def test_labels_of_strangers_are_text_in_a_picture_and_no_markup() -> None:
    figures = classification(SAID[:, :2], CLASSES % 2, ("<script>alert(1)</script>", "b&c\x00\x1b"))
    picture = pictures_of({"task": "classification", "int8": figures, "drift": None})["confusion"]()
    assert "<script>" not in picture
    ElementTree.fromstring(picture)  # noqa: S314 - the same


def test_int8_takes_fewer_instructions_than_any_other_form() -> None:
    model = load("digits-cnn").model
    assert estimate(model, "int8") < estimate(model, "float32") < estimate(model, "dynamic_range")
