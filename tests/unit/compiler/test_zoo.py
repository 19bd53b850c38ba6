"""Every model of the zoo is compiled to C that computes, bit for bit, what the pinned oracle computes."""

import numpy as np
import pytest
from host_model import HostModels, oracle
from numpy.random import default_rng

from zoo.cards import CatalogEntry, catalog
from zoo.inspect import inspect


@pytest.mark.parametrize("entry", catalog(), ids=lambda entry: entry.name)
def test_a_model_of_the_zoo_is_exact(host_models: HostModels, entry: CatalogEntry) -> None:
    shape = inspect(entry.model).inputs[0].shape
    rng = default_rng(1)
    inputs = [[rng.integers(-128, 128, shape).astype(np.int8)] for _ in range(3)]
    expected = oracle(entry.model, inputs)
    for variant, computed in host_models.run(entry.model, inputs).items():
        assert computed == expected, f"the {variant} kernels differ"
