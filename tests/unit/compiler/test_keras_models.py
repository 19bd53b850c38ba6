"""Trained Keras models of many layers, from TensorFlow's converter, compute what the oracle computes."""

from pathlib import Path

import numpy as np
import pytest
from compiler.compile import compile_model
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
