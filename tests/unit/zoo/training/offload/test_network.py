"""nntrainer's .ini and .bin: the network of document 000, what is refused, and both layouts of weights by hand."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from tests.support.offloading import INI
from zoo.cards import CATALOG, load
from zoo.training.offload.conversion import to_recipe
from zoo.training.offload.description import Description, parse_description
from zoo.training.offload.errors import DescriptionError, WeightsError
from zoo.training.offload.weights import Weights, of_keras, parse_weights
from zoo.training.recipe import parse_recipe

NETWORK = parse_description(INI.encode())
SMALL = """
[Model]
Type = NeuralNetwork
Loss = mse
[Optimizer]
Type = sgd
Learning_rate = 0.1
[in]
Type = input
Input_Shape = {shape}
{layers}
"""


def test_document_000_line_6_the_ini_is_a_network_of_3898_parameters() -> None:
    assert NETWORK.parameters == 3898
    assert [layer.output.shape for layer in NETWORK.layers] == [
        (28, 28, 1),
        (24, 24, 6),
        (12, 12, 6),
        (8, 8, 12),
        (4, 4, 12),
        (192,),
        (10,),
    ]
    assert (NETWORK.loss, NETWORK.epochs, NETWORK.batch) == ("cross-entropy", 10, 10)
    assert (NETWORK.optimiser.type, NETWORK.optimiser.epsilon, NETWORK.rate.rate) == ("adam", 1e-7, 1e-4)


def test_document_000_line_6_the_ini_is_a_recipe_too() -> None:
    recipe = to_recipe(NETWORK, epochs=3, seed=4)
    assert recipe is not None
    assert [layer.type for layer in parse_recipe(recipe).layers] == [
        "conv2d",
        "average_pooling2d",
        "conv2d",
        "average_pooling2d",
        "flatten",
        "dense",
    ]
    other = parse_description(INI.replace("xavier_uniform", "he_normal").encode())
    assert to_recipe(other, epochs=3, seed=4) is None


def test_the_ini_and_the_recipe_of_the_model_that_ships_are_the_same_network() -> None:
    ini = (CATALOG / "lenet-digits" / "lenet-digits.ini").read_bytes()
    made = to_recipe(parse_description(ini), epochs=10, seed=1)
    shipped = load("lenet-digits").recipe
    assert made is not None
    assert all(made[key] == shipped[key] for key in ("task", "layers", "optimiser", "epochs", "batch"))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("Type=flatten", "Type=lstm", "ini.flatten.type"),
        ("pooling = average", "pooling = median", "ini.pooling2d_p1.pooling"),
        ("Activation=sigmoid", "Activation=swish", "ini.conv2d_c1_layer.activation"),
        ("Type = adam", "Type = rmsprop", "ini.Optimizer.type"),
        ("Loss = cross", "Loss = magic", "ini.Model.loss"),
        ("kernel_size = 5,5", "kernel_size = 99,99", "ini.conv2d_c1_layer.type"),
        ("filters = 12", "filters = many", "ini.conv2d_c2_layer.filters"),
        ("filters = 12", "filters = 12\nweight_decay = 1", "ini.conv2d_c2_layer.weight_decay"),
        ("input_layers=flatten", "input_layers=nowhere", "ini.outputlayer.input_layers"),
        ("input_layers=flatten", "input_layers=pooling2d_p2", "ini.outputlayer.input_layers"),
        ("Unit = 10 ", "Unit = 4097 ", "ini.outputlayer.unit"),
        ("Input_Shape = 1:28:28", "Input_Shape = 1:0:28", "ini.inputlayer.input_shape"),
        ("Learning_rate = 1e-4", "Learning_rate = -1", "ini.LearningRateScheduler.learning_rate"),
        ("Learning_rate = 1e-4", "Learning_rate = nan", "ini.LearningRateScheduler.learning_rate"),
        ("type=constant", "type=cosine", "ini.LearningRateScheduler.type"),
        ("Type = input\n", "Type = flatten\n", "ini.inputlayer.type"),
    ],
)
def test_document_000_line_6_what_is_not_supported_is_refused_with_its_section(old: str, new: str, named: str) -> None:
    with pytest.raises(DescriptionError) as refused:
        parse_description(INI.replace(old, new, 1).encode())
    assert refused.value.field == named


@pytest.mark.parametrize(
    ("ini", "said"),
    [
        (b"no section", "cannot be read"),
        (b"[a]\nx=1\n[a]\nx=2", "cannot be read"),
        (b"\xff", "cannot be read"),
        (b"# " + b"a" * 70_000, "are read"),
        (b"[Model]\nLoss=mse", "layers"),
        (INI.replace("Activation = softmax", "Activation = sigmoid").encode(), "needs a last activation of softmax"),
    ],
)
def test_an_ini_that_is_none_is_refused(ini: bytes, said: str) -> None:
    with pytest.raises(DescriptionError, match=said):
        parse_description(ini)


@pytest.mark.parametrize("tail", [b"", b"adam", b"adam" + b"\1\2\3\4" * 3898 * 2])
def test_document_000_line_7_weights_that_are_saved_again_are_the_same_bytes(tail: bytes) -> None:
    stored = _bin(3898, tail)
    found = parse_weights(NETWORK, stored)
    assert found.dump() == stored
    assert (found.epoch, found.iteration) == (2, 5)
    assert [array.shape for array in found.arrays] == [(6, 1, 5, 5), (6,), (12, 6, 5, 5), (12,), (192, 10), (10,)]
    # Also by way of Keras' layout.
    again = of_keras(NETWORK, found.to_keras(NETWORK), epoch=2, iteration=5)
    assert Weights(again.arrays, tail, 2, 5).dump() == stored


def test_the_files_of_document_000_have_15604_bytes() -> None:
    assert len(_bin(3898, b"adam")) == 15_604
    assert len(_bin(3898, b"")) == 15_600


@pytest.mark.parametrize("size", [0, 7, 15_592, 15_599, 15_601, 15_603, 15_605, 46_787])
def test_document_000_line_7_a_wrong_size_is_refused(size: int) -> None:
    with pytest.raises(WeightsError, match=f"has {size} bytes"):
        parse_weights(NETWORK, (_bin(3898, b"adam") * 4)[:size])


def test_weights_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(WeightsError, match="no numbers"):
        parse_weights(NETWORK, struct.pack("<f", float("nan")) + _bin(3898, b"adam")[4:])


def test_a_convolution_is_the_same_by_hand_in_both_layouts() -> None:
    network = _network("2:4:3", "[c]\nType=conv2d\nfilters=2\nkernel_size=3,2\n[f]\nType=flatten")
    rng = np.random.default_rng(1)
    stored = rng.normal(size=(2, 2, 3, 2)).astype(np.float32)  # OIHW
    bias = np.array([0.5, -1.0], np.float32)
    picture = rng.normal(size=(2, 4, 3)).astype(np.float32)  # CHW
    data = stored.tobytes() + bias.tobytes() + struct.pack("<II", 0, 0)
    kernel, same_bias = parse_weights(network, data).to_keras(network)[1]
    for out in range(2):
        for y in range(2):
            for x in range(2):
                by_planes = bias[out] + sum(
                    picture[c, y + i, x + j] * stored[out, c, i, j]
                    for c in range(2)
                    for i in range(3)
                    for j in range(2)
                )
                # Keras: the picture is HWC, the kernel HWIO.
                by_pixels = same_bias[out] + sum(
                    picture.transpose(1, 2, 0)[y + i, x + j, c] * kernel[i, j, c, out]
                    for i in range(3)
                    for j in range(2)
                    for c in range(2)
                )
                assert by_planes == pytest.approx(by_pixels, abs=1e-5)


def test_a_dense_layer_behind_an_image_is_the_same_by_hand_in_both_layouts() -> None:
    network = _network("3:2:2", "[f]\nType=flatten\n[d]\nType=fully_connected\nUnit=4")
    rng = np.random.default_rng(2)
    stored, bias = rng.normal(size=(12, 4)).astype(np.float32), rng.normal(size=4).astype(np.float32)
    picture = rng.normal(size=(3, 2, 2)).astype(np.float32)  # CHW
    data = stored.tobytes() + bias.tobytes() + struct.pack("<II", 0, 0)
    kernel, same_bias = parse_weights(network, data).to_keras(network)[2]
    by_planes = picture.reshape(-1) @ stored + bias
    by_pixels = picture.transpose(1, 2, 0).reshape(-1) @ kernel + same_bias
    assert by_planes == pytest.approx(by_pixels, abs=1e-5)
    assert not np.array_equal(stored, kernel)
    assert np.array_equal(kernel[1], stored[4])  # the second channel of the first pixel: the fifth of CHW


def test_the_order_of_a_flattened_image_goes_through_joined_layers() -> None:
    layers = """
[f]
Type=flatten
[g]
Type=flatten
input_layers=in
[j]
Type=concat
input_layers=f,g
[d]
Type=fully_connected
Unit=1
"""
    network = _network("2:2:1", layers)
    stored = np.arange(8, dtype=np.float32)
    kernel, _ = parse_weights(network, stored.tobytes() + bytes(4) + bytes(8)).to_keras(network)[4]
    assert kernel.reshape(-1).tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def _network(shape: str, layers: str) -> Description:
    return parse_description(SMALL.format(shape=shape, layers=layers).encode())


def _bin(parameters: int, tail: bytes) -> bytes:
    values = np.random.default_rng(3).normal(size=parameters).astype("<f4")
    return values.tobytes() + tail + struct.pack("<II", 2, 5)
