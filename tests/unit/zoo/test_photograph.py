"""Pictures become what the model was trained on: as its card says, or as its quantisation implies."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zoo.cards import load
from zoo.errors import BadInputError, ModelMalformedError, UnsupportedModelError
from zoo.inspect import TensorReport, inspect
from zoo.photograph import PictureInput, to_instances
from zoo.predict import Predictor

DIGITS = load("digits-cnn")
TENSOR = inspect(DIGITS.model).inputs[0]


def png(pixels: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(file, "PNG")
    return file.getvalue()


def grey(*values: int) -> bytes:
    return png([values])


def tensor(shape: tuple[int, ...], dtype: str = "float32") -> TensorReport:
    scale, zero = (None, None) if dtype == "float32" else (1 / 255, -128)
    return TensorReport("x", (1, *shape), dtype, scale, zero, size=0)


def test_a_drawn_digit_is_read_as_the_same_instance_is() -> None:
    instances = DIGITS.sample["instances"]
    drawn = [png(np.round(np.array(instance)[..., 0] * 255)) for instance in instances]
    predictor = Predictor()
    from_pictures = np.array(predictor.predict_pictures(DIGITS.card.model_sha256, lambda: DIGITS.model, drawn, None))
    from_numbers = np.array(predictor.predict(DIGITS.card.model_sha256, lambda: DIGITS.model, instances))
    assert [DIGITS.card.labels[place] for place in from_pictures.argmax(axis=1)] == ["3", "7"]
    np.testing.assert_allclose(from_pictures, from_numbers, atol=0.05)


def test_the_shipped_card_says_what_pixels_become() -> None:
    assert PictureInput.of_card(DIGITS.card.to_json()) == PictureInput(low=0, high=1, invert=False)


def test_the_card_says_which_numbers_black_and_white_become() -> None:
    found = to_instances([grey(0, 255)], tensor((1, 2, 1)), PictureInput(-1, 1))
    assert found[0, 0, :, 0].tolist() == [-1.0, 1.0]
    found = to_instances([grey(0, 255)], tensor((1, 2, 1)), PictureInput(0, 16, invert=True))
    assert found[0, 0, :, 0].tolist() == [16.0, 0.0]


def test_without_a_card_the_range_of_the_quantised_input_is_used() -> None:
    found = to_instances([grey(0, 51, 255)], tensor((1, 3, 1), "int8"), None)
    np.testing.assert_allclose(found[0, 0, :, 0], [0, 0.2, 1], atol=1e-6)


def test_a_model_of_z_scores_gets_them() -> None:
    card = {"scaling": {"mean": [0.5], "deviation": [0.25]}}
    found = to_instances([grey(0, 255)], tensor((1, 2, 1)), PictureInput.of_card(card))
    assert found[0, 0, :, 0].tolist() == [-2.0, 2.0]


def test_a_coloured_picture_of_another_size_is_made_to_fit() -> None:
    coloured = png(np.full((20, 30, 3), 255))
    assert to_instances([coloured], tensor((8, 8, 1)), PictureInput()).shape == (1, 8, 8, 1)
    assert to_instances([grey(255)], tensor((4, 4, 3)), PictureInput())[0].tolist() == np.ones((4, 4, 3)).tolist()


@pytest.mark.parametrize(
    ("shape", "dtype"), [((64,), "int8"), ((8, 8, 2), "int8"), ((8, 8), "int8"), ((8, 8, 1), "float32")]
)
def test_a_model_that_takes_no_pictures_says_so(shape: tuple[int, ...], dtype: str) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        to_instances([grey(0)], tensor(shape, dtype), None)
    assert caught.value.remedy == "Send instances as JSON."


def test_a_file_that_is_no_picture_is_named_by_its_number() -> None:
    with pytest.raises(BadInputError, match="Picture 1: It is no whole PNG or JPEG"):
        to_instances([grey(0), b"nothing"], TENSOR, None)


@pytest.mark.parametrize(
    "card",
    [
        {"picture": "white"},
        {"picture": {"low": "x"}},
        {"picture": {"low": 1, "high": 1}},
        {"picture": {"low": None}},
        {"scaling": {"mean": [1], "deviation": []}},
        {"scaling": {"mean": [1], "deviation": [0]}},
        {"scaling": [1]},
    ],
)
def test_a_card_that_makes_no_sense_is_refused(card: dict[str, Any]) -> None:
    with pytest.raises(ModelMalformedError, match="cannot be used"):
        PictureInput.of_card(card)


def test_a_scaling_of_other_channels_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="scales 3 channels"):
        to_instances([grey(0)], TENSOR, PictureInput(mean=(0.0,) * 3, deviation=(1.0,) * 3))


def test_small_files_that_a_large_input_would_blow_up_are_counted_before_memory_is_taken() -> None:
    card = PictureInput()
    with pytest.raises(BadInputError, match="6 pictures were sent; of 2048 x 2048 pixels 4 are taken at a time"):
        to_instances([grey(0)] * 6, tensor((2048, 2048, 1)), card)
    assert to_instances([grey(255)], tensor((2048, 2048, 1)), card).shape == (1, 2048, 2048, 1)
