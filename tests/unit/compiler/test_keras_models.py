"""Trained Keras models of many layers, from TensorFlow's converter, compute what the oracle computes."""

from pathlib import Path

import numpy as np
import pytest
from compiler.compile import compile_model
from compiler.layer import WIDTHS
from host_model import HostModels, oracle

MODELS = Path(__file__).parent / "models"
INFERENCES = 20


@pytest.mark.parametrize("name", ["attention", "free_batch"])
def test_a_trained_model_is_exact(name: str, host_models: HostModels) -> None:
    model = (MODELS / f"{name}.tflite").read_bytes()
    compiled = compile_model(model)
    assert not {"DEQUANTIZE", "SHAPE"} & compiled.operators.keys()
    rng = np.random.default_rng(0)
    shape = compiled.graph.inputs[0].shape
    inputs = [[rng.integers(-128, 128, shape).astype(np.int8)] for _ in range(INFERENCES)]
    expected = oracle(model, inputs)
    assert len({output for outputs in expected for output in outputs}) > 2
    for variant, computed in host_models.run(model, inputs).items():
        assert computed == expected, f"the {variant} kernels differ"


def test_the_steps_of_an_unrolled_layer_share_their_weights() -> None:
    compiled = compile_model((MODELS / "attention.tflite").read_bytes())
    weights = [
        tuple(constant.values)
        for layer in compiled.layers
        for constant in layer.constants
        if layer.kernel == "tml_fully_connected" and constant.field == "weights"
    ]
    assert len(set(weights)) < len(weights) - 6, "eight steps of a GRU"
    source = compiled.sources["model.c"]
    assert source.count("_weights[") == len(set(weights))
    assert source.count(".weights = ") == len(weights)
    everything = sum(
        WIDTHS[constant.c_type] * len(constant.values) for layer in compiled.layers for constant in layer.constants
    )
    saved = sum(map(len, weights)) - sum(map(len, set(weights)))
    assert compiled.constants_bytes <= everything - saved
