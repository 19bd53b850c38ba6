"""Trained models with state, from TensorFlow's converter, compute over a sequence what the oracle computes."""

from pathlib import Path

import numpy as np
import pytest
from compiler.compile import compile_model
from host_model import HostModels, oracle

MODELS = Path(__file__).parent / "models"
INFERENCES = 20


@pytest.mark.parametrize("name", ["lstm", "streaming", "recurrent"])
def test_a_trained_model_is_exact_over_a_sequence(name: str, host_models: HostModels) -> None:
    model = (MODELS / f"{name}.tflite").read_bytes()
    rng = np.random.default_rng(0)
    shape = compile_model(model).graph.inputs[0].shape
    inputs = [[rng.integers(-128, 128, shape).astype(np.int8)] for _ in range(INFERENCES)]
    expected = oracle(model, inputs)
    assert expected[-1] != oracle(model, inputs[-1:])[0]  # what came before matters
    for variant, computed in host_models.run(model, inputs).items():
        assert computed == expected, f"the {variant} kernels differ"
