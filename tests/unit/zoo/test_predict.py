"""Predictions take nested lists in real units, and say what is wrong with any others."""

import hashlib
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from zoo.cards import CatalogEntry, catalog, load
from zoo.errors import BadInputError, ModelMalformedError, UnsupportedModelError
from zoo.predict import MAX_INSTANCES, LoadedModel, Predictor

SINE = load("hello-world-sine")
ADD, EXP = 0, 47
FLOAT32 = 0


def size_of(name: str) -> int:
    return LoadedModel(load(name).model).size


def predict(entry: CatalogEntry, instances: list[object]) -> list[object]:
    return Predictor().predict(entry.card.model_sha256, lambda: entry.model, instances)


def test_the_sine_model_predicts_a_sine_in_real_units() -> None:
    angles = [0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    prediction = predict(SINE, [[angle] for angle in angles])
    assert np.array(prediction).shape == (7, 1)
    np.testing.assert_allclose(np.array(prediction)[:, 0], np.sin(angles), atol=0.1)


def test_the_digits_of_the_sample_are_read_as_three_and_seven() -> None:
    entry = load("digits-cnn")
    prediction = predict(entry, entry.sample["instances"])
    assert [entry.card.labels[int(np.argmax(p))] for p in prediction] == ["3", "7"]


def test_the_damaged_bearing_of_the_sample_is_reconstructed_worse_than_the_healthy_one() -> None:
    entry = load("vibration-autoencoder")
    windows = np.array(entry.sample["instances"])
    healthy, damaged = np.mean((windows - np.array(predict(entry, windows.tolist()))) ** 2, axis=1)
    assert damaged > 2 * healthy


@pytest.mark.parametrize("entry", catalog(), ids=lambda entry: entry.name)
def test_a_batch_predicts_what_its_instances_predict_alone(entry: CatalogEntry) -> None:
    instances = entry.sample["instances"]
    assert predict(entry, instances) == [predict(entry, [instance])[0] for instance in instances]


def test_values_past_the_range_saturate() -> None:
    far, last = predict(SINE, [[3e38], [2 * math.pi]])
    assert far == last


@pytest.mark.parametrize(
    ("instances", "place"),
    [
        ([1.0], r"instances\[0\] is no list of 1\."),
        ([[1.0], [1.0, 2.0]], r"instances\[1\] has length 2 instead of 1\."),
        ([[]], r"instances\[0\] has length 0"),
        ([[[1.0]]], r"instances\[0\]\[0\] is no finite number"),
        ([["1.0"]], r"instances\[0\]\[0\] is no finite number"),
        ([[None]], "no finite number"),
        ([[True]], "no finite number"),
        ([[math.nan]], "no finite number"),
        ([[-math.inf]], "no finite number"),
        ([[10**400]], "no finite number"),
        ([{"x": 1.0}], "no list"),
        (["a"], "no list"),
    ],
)
def test_a_misfit_names_its_place_and_the_expected_shape(instances: list[object], place: str) -> None:
    with pytest.raises(BadInputError, match=place) as caught:
        predict(SINE, instances)
    assert "shape [1]" in caught.value.detail
    assert caught.value.code == "bad_input"


def test_an_image_of_the_wrong_size_is_told_the_right_one() -> None:
    with pytest.raises(BadInputError, match=r"instances\[0\] has length 28 .* shape \[8, 8, 1\]"):
        predict(load("digits-cnn"), [[[0.0] * 28] * 28])


@pytest.mark.parametrize("count", [0, MAX_INSTANCES + 1])
def test_an_empty_or_oversized_batch_is_refused(count: int) -> None:
    with pytest.raises(BadInputError, match=f"{count} instances"):
        predict(SINE, [[0.0]] * count)


def test_a_full_batch_is_predicted() -> None:
    assert len(predict(SINE, [[0.1]] * MAX_INSTANCES)) == MAX_INSTANCES


def test_a_batch_that_takes_too_long_stops() -> None:
    with pytest.raises(BadInputError, match="of 5 instances took 0 seconds"):
        Predictor(seconds=0).predict(SINE.card.model_sha256, lambda: SINE.model, [[0.0]] * 5)


def test_a_model_is_fetched_once_while_it_stays_loaded_and_again_after_others_displaced_it() -> None:
    fetched: list[str] = []
    predictor = Predictor(capacity_bytes=size_of("digits-cnn") + size_of("vibration-autoencoder"), interpreters=1)

    def use(entry: CatalogEntry) -> None:
        def fetch() -> bytes:
            fetched.append(entry.name)
            return entry.model

        predictor.predict(entry.card.model_sha256, fetch, entry.sample["instances"])

    digits, sine, vibration = (load(name) for name in ("digits-cnn", "hello-world-sine", "vibration-autoencoder"))
    for entry in (digits, digits, sine, digits, vibration, digits, sine):
        use(entry)
    assert fetched == [digits.name, sine.name, vibration.name, sine.name]


def test_bytes_that_are_not_the_models_own_are_refused() -> None:
    with pytest.raises(ModelMalformedError, match="not those of the model"):
        Predictor().predict("0" * 64, lambda: SINE.model, [[0.0]])


def test_threads_share_a_model_without_mixing_their_values() -> None:
    predictor = Predictor()

    def ask(step: int) -> object:
        return predictor.predict(SINE.card.model_sha256, lambda: SINE.model, [[step / 30]] * 5)

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ask, range(180)))
    assert together == [ask(step) for step in range(180)]


def test_a_float_model_is_predicted_with_too(float_model: bytes) -> None:
    assert LoadedModel(float_model).run(np.ones((3, 4), np.float32)).shape == (3, 2)


def test_infinity_is_never_answered(model: Callable[..., bytes], tensor: Callable[..., object]) -> None:
    edge = tensor((1, 2), dtype=FLOAT32, scales=())
    data = model(tensors=[edge, edge], operators=[(EXP, (0,), (1,))])
    digest = hashlib.sha256(data).hexdigest()
    ((small, one),) = np.array(Predictor().predict(digest, lambda: data, [[-1.0, 0.0]]))
    assert (small, one) == (pytest.approx(math.exp(-1)), 1.0)
    with pytest.raises(BadInputError, match="infinity"):
        Predictor().predict(digest, lambda: data, [[0.0, 1000.0]])


def test_models_of_another_form_than_one_in_one_out_are_not_served(
    model: Callable[..., bytes], tensor: Callable[..., object]
) -> None:
    two_inputs = model(tensors=[tensor((1, 4))] * 3, operators=[(ADD, (0, 1), (2,))], inputs=(0, 1), outputs=(2,))
    with pytest.raises(UnsupportedModelError, match="2 inputs"):
        LoadedModel(two_inputs)
    batch_of_two = model(tensors=[tensor((2, 4))] * 2, operators=[(ADD, (0, 0), (1,))])
    with pytest.raises(UnsupportedModelError, match="batch of one"):
        LoadedModel(batch_of_two)


def test_a_model_whose_stated_shapes_are_not_those_computed_is_not_served(
    model: Callable[..., bytes], tensor: Callable[..., object]
) -> None:
    lie = model(tensors=[tensor((1, 4)), tensor((1, 400))], operators=[(ADD, (0, 0), (1,))])
    with pytest.raises(UnsupportedModelError, match=r"states the shape \[1, 400\] .* comes out as \[1, 4\]"):
        LoadedModel(lie)


def test_a_long_batch_does_not_keep_others_waiting() -> None:
    loaded = LoadedModel(load("digits-cnn").model, interpreters=2)
    with loaded._turn():  # the long batch has an interpreter
        assert loaded.run(np.zeros((1, 8, 8, 1), np.float32)).shape == (1, 10)


def test_no_more_interpreters_are_made_than_allowed() -> None:
    loaded = LoadedModel(SINE.model, interpreters=3)

    def ask(step: int) -> float:
        return float(loaded.run(np.full((20, 1), step / 30, np.float32))[0, 0])

    with ThreadPoolExecutor(12) as pool:
        together = list(pool.map(ask, range(120)))
    assert together == [ask(step) for step in range(120)]
    assert 1 <= len(loaded._idle) <= 3


def test_an_interpreter_comes_back_after_a_failure() -> None:
    loaded = LoadedModel(SINE.model)
    for _ in range(3):
        with pytest.raises(BadInputError):
            loaded.run(np.zeros((5, 1), np.float32), seconds=0)
    assert loaded.run(np.zeros((1, 1), np.float32)).shape == (1, 1)


@pytest.mark.parametrize("name", ["lstm", "streaming", "recurrent"])
def test_the_instances_of_a_call_are_one_sequence_that_begins_anew(name: str) -> None:
    data = (Path(__file__).parents[1] / "compiler" / "models" / f"{name}.tflite").read_bytes()
    model = LoadedModel(data)
    steps = np.random.default_rng(0).normal(0, 1, (5, *model.instance_shape)).astype(np.float32)
    first = model.run(steps)
    assert model.run(steps).tolist() == first.tolist()
    alone = np.concatenate([model.run(step[np.newaxis]) for step in steps])
    assert alone[0].tolist() == first[0].tolist()
    assert alone[1:].tolist() != first[1:].tolist()
