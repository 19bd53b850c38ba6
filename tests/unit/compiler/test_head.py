"""A head that is to be trained is told to the device as it is, or is refused by the operator that is in the way."""

import ctypes
import re
from pathlib import Path

import numpy as np
import pytest
from compiler.compile import compile_model
from compiler.errors import CompileError
from host_model import HostModels, oracle
from numpy.random import default_rng
from numpy.typing import NDArray
from tflite_writer import WrittenOperator, WrittenTensor, write_model

from zoo.cards import CatalogEntry, catalog
from zoo.inspect import inspect

CLASSIFIERS = [entry for entry in catalog() if entry.card.task == "classification"]
MODELS = Path(__file__).parent / "models"
Q = ([0.05], [3])
NONE, RELU = 0, 1


def constants(library: ctypes.CDLL, name: str, kind: type, count: int) -> NDArray[np.generic]:
    return np.ctypeslib.as_array((kind * count).in_dll(library, name)).copy()


@pytest.mark.parametrize("entry", CLASSIFIERS, ids=lambda entry: entry.name)
def test_the_features_lie_there_after_an_inference_and_give_the_output(
    host_models: HostModels, entry: CatalogEntry
) -> None:
    """The head in real numbers, computed from what the generated code says of it, is the model's own output."""
    head = compile_model(entry.model, trainable_head=True).head
    assert head is not None
    library, graph = host_models.load(entry.model, "plain", trainable_head=True)
    shape = inspect(entry.model).inputs[0].shape
    count = head.features.elements
    weights = constants(library, "model_head_weights", ctypes.c_int8, count * head.outputs).reshape(-1, count)
    scales = constants(library, "model_head_scales", ctypes.c_float, head.outputs)
    bias = constants(library, "model_head_bias", ctypes.c_int32, head.outputs)
    for seed in range(5):
        array = default_rng(seed).integers(-128, 128, shape).astype(np.int8)
        [output] = host_models.invoke(library, [array], graph)
        assert [output] == oracle(entry.model, [[array]])[0], "keeping the features changes nothing"
        address = ctypes.c_void_p.in_dll(library, "model_features").value
        assert address is not None
        features = np.frombuffer(ctypes.string_at(address, count), np.int8).astype(np.int64) - head.features_zero_point
        logits = (weights.astype(np.int64) @ features + bias) * head.features_scale * scales
        exponentials = np.exp(logits - logits.max())
        probabilities = exponentials / exponentials.sum() / head.output_scale + head.output_zero_point
        found = np.frombuffer(output, np.int8).astype(np.float64)
        # The model rounds its logits to int8, each by half a step at the most.
        assert np.abs(probabilities.clip(-128, 127) - found).max() <= 256 * head_step(entry) / 4 + 1


def head_step(entry: CatalogEntry) -> float:
    """The quantum of the logits."""
    graph = compile_model(entry.model).graph
    quantization = graph.nodes[-2].output.quantization
    assert quantization is not None
    return quantization.scales[0]


def dense(units: int, features: int = 4, *, activation: int = NONE, softmax: bool = False, beta: float = 1.0) -> bytes:
    tensors = [
        WrittenTensor([1, features], "int8", *Q),
        WrittenTensor([units, features], "int8", [0.01], [0], data=np.ones((units, features), np.int8)),
        WrittenTensor([1, units], "int8", *Q),
        WrittenTensor([1, units], "int8", [1 / 256], [-128]),
    ]
    operators = [WrittenOperator("FULLY_CONNECTED", [0, 1], [2], {"FusedActivationFunction": activation})]
    if softmax:
        operators.append(WrittenOperator("SOFTMAX", [2], [3], {"Beta": beta}))
    return write_model(tensors, operators, [0], [3 if softmax else 2])


def test_a_dense_layer_without_a_softmax_and_without_a_bias_is_a_head_of_logits() -> None:
    head = compile_model(dense(3), trainable_head=True).head
    assert head is not None
    assert (head.softmax, head.bias, head.scales[0], len(head.scales)) == (False, (0, 0, 0), np.float32(0.01), 3)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (dense(1), r"operator 0 \(FULLY_CONNECTED\): .* 1 outputs; labels need 2 to 256"),
        (dense(257), r"operator 0 \(FULLY_CONNECTED\): .* 257 outputs; labels need 2 to 256"),
        (dense(3, activation=RELU), r"operator 0 \(FULLY_CONNECTED\): .* has an activation of its own"),
        (dense(3, softmax=True, beta=0.5), r"operator 1 \(SOFTMAX\): .* its beta is not 1"),
        (dense(16, 500), r"operator 0 \(FULLY_CONNECTED\): its 8016 parameters are too many .* holds 8000"),
        ((MODELS / "lstm.tflite").read_bytes(), r"UNIDIRECTIONAL_SEQUENCE_LSTM\): .* remembers what came before"),
    ],
)
def test_what_cannot_be_trained_is_refused_by_its_operator(model: bytes, message: str) -> None:
    compile_model(model)
    with pytest.raises(CompileError) as refused:
        compile_model(model, trainable_head=True)
    assert re.search(message, refused.value.message), refused.value.message
    assert "trainable_head" in refused.value.hint


def test_a_model_that_ends_in_something_else_is_refused_by_that() -> None:
    tensors = [
        WrittenTensor([1, 4], "int8", *Q),
        WrittenTensor([1, 4], "int8", [1 / 256], [-128]),
        WrittenTensor([1, 4], "int8", [1 / 256], [-128]),
    ]
    logistic = WrittenOperator("LOGISTIC", [0], [1])
    for operators, output, message in (
        ([logistic], 1, "operator 0 (LOGISTIC): "),
        ([logistic, WrittenOperator("SOFTMAX", [1], [2], {"Beta": 1.0})], 2, "operator 0 (LOGISTIC): "),
    ):
        with pytest.raises(CompileError, match=re.escape(message)) as refused:
            compile_model(write_model(tensors, operators, [0], [output]), trainable_head=True)
        assert refused.value.code == "unsupported_operator"
