"""Operators that combine or move tensors compute what the oracle computes: random shapes, ranks, axes and options."""

import numpy as np
import pytest
from host_model import HostModels, oracle
from random_operators import RANDOM, random_operators

SEEDS = range(3)
OPERATORS = 6  # in one model


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", list(RANDOM))
def test_random_operators_are_exact(kind: str, seed: int, host_models: HostModels) -> None:
    model, shapes = random_operators(kind, seed, OPERATORS)
    rng = np.random.default_rng(seed)
    inputs = [[rng.integers(-128, 128, shape).astype(np.int8) for shape in shapes] for _ in range(2)]
    expected = oracle(model, inputs)
    for variant, computed in host_models.run(model, inputs).items():
        for position, (want, got) in enumerate(zip(expected[0] + expected[1], computed[0] + computed[1], strict=True)):
            assert got == want, f"output {position} of the {variant} kernels differs"
