"""The list of parameters: it survives JSON, and what is no such list is refused with the reason."""

from __future__ import annotations

import json

import numpy as np
import pytest

from zoo.federated.errors import ParametersError
from zoo.federated.parameters import MAX_ARRAYS, MAX_ELEMENTS, Parameter, Parameters

HEAD = Parameters([Parameter("dense/kernel", (20, 10)), Parameter("dense/bias", (10,))])


def test_parameters_know_their_size_and_survive_json() -> None:
    assert (len(HEAD), HEAD.count, HEAD.bytes) == (2, 210, 840)
    assert HEAD.to_json()[0] == {"name": "dense/kernel", "shape": [20, 10]}
    assert Parameters.of(json.loads(json.dumps(HEAD.to_json()))) == HEAD


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "no list"),
        ([], "0 parameters"),
        ([{"name": "a", "shape": [1]}] * (MAX_ARRAYS + 1), f"1 to {MAX_ARRAYS}"),
        ([{"name": "a", "shape": [1]}] * 2, "same name"),
        ([{"name": "a"}], "is no"),
        ([{"name": "a", "shape": [1.5]}], "is no"),
        ([{"name": "a", "shape": [True]}], "is no"),
        ([{"name": "a", "shape": []}], "shape"),
        ([{"name": "a", "shape": [0]}], "shape"),
        ([{"name": "a", "shape": [1] * 7}], "shape"),
        ([{"name": "", "shape": [1]}], "name"),
        ([{"name": "a\n", "shape": [1]}], "name"),
        ([{"name": "a", "shape": [MAX_ELEMENTS + 1]}], f"at most {MAX_ELEMENTS}"),
    ],
)
def test_a_document_that_lists_no_parameters_is_refused(document: object, words: str) -> None:
    with pytest.raises(ParametersError, match=words) as caught:
        Parameters.of(document)
    assert caught.value.remedy


def test_weights_are_checked_against_the_shapes_and_for_numbers() -> None:
    good = [np.zeros((20, 10)), np.zeros(10)]
    assert [array.dtype for array in HEAD.checked(good)] == [np.float32, np.float32]
    with pytest.raises(ParametersError, match=r"\[10, 20\]"):
        HEAD.checked([np.zeros((10, 20)), np.zeros(10)])
    with pytest.raises(ParametersError, match="dense/bias"):
        HEAD.checked([np.zeros((20, 10)), np.full(10, np.nan)])
