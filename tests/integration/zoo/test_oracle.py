"""The oracle is exact, repeatable, and survives whatever a model does to the native interpreters."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from tflite_micro import runtime

from tests.unit.compiler.tflite_writer import WrittenOperator, WrittenTensor, write_model
from zoo.cards import CatalogEntry, catalog, load
from zoo.errors import ModelError, OracleFailedError, UnsupportedModelError
from zoo.flatbuffer import Buffer
from zoo.inspect import inspect
from zoo.oracle import _interpreter, golden_vectors, probe
from zoo.predict import LoadedModel
from zoo.request import Request

SHARED_MODELS = Path(__file__).parents[4] / "shared" / "models"
SHARED = sorted(SHARED_MODELS.glob("*.tflite"))
SINE = load("hello-world-sine").model


@pytest.mark.parametrize("entry", catalog(), ids=lambda entry: entry.name)
def test_a_second_run_gives_the_same_vectors(entry: CatalogEntry) -> None:
    first = golden_vectors(entry.model)
    assert first == golden_vectors(entry.model)
    assert len(first) == 8
    assert len({vector.outputs for vector in first}) > 2
    assert golden_vectors(entry.model, count=2, seed=7) != first[:2]


def test_golden_json_has_the_form_of_the_builder_contract() -> None:
    (vector,) = golden_vectors(SINE, count=1)
    shown = json.loads(json.dumps(vector.to_json()))
    assert [bytes.fromhex(text) for text in shown["inputs"]] == list(vector.inputs)
    assert [bytes.fromhex(text) for text in shown["outputs"]] == list(vector.outputs)


@pytest.mark.parametrize("entry", catalog(), ids=lambda entry: entry.name)
def test_the_oracle_and_the_predictions_of_the_server_agree_within_two_steps(entry: CatalogEntry) -> None:
    found = probe(entry.model)
    assert found.litert_difference <= 2
    given, answered = found.report.inputs[0], found.report.outputs[0]
    assert given.scale is not None
    assert given.zero_point is not None
    assert answered.scale is not None
    assert answered.zero_point is not None
    stored = np.stack([np.frombuffer(vector.inputs[0], np.int8) for vector in found.vectors]).astype(np.float32)
    real = ((stored - given.zero_point) * given.scale).reshape(-1, *given.shape[1:])
    predicted = LoadedModel(entry.model).run(real)
    for vector, row in zip(found.vectors, predicted, strict=True):
        expected = (np.frombuffer(vector.outputs[0], np.int8).astype(float) - answered.zero_point) * answered.scale
        np.testing.assert_allclose(row.ravel(), expected, atol=2.01 * answered.scale)


@pytest.mark.skipif(not SHARED, reason="the MLPerf Tiny reference models are not beside this checkout")
@pytest.mark.parametrize("path", SHARED, ids=lambda path: path.stem)
def test_models_that_nobody_here_made_run_in_both_interpreters_alike(path: Path) -> None:
    found = probe(path.read_bytes())
    assert len(found.vectors) == 8
    assert found.litert_difference <= 2
    assert found.report.is_int8
    outputs = sum(len(data) for vector in found.vectors for data in vector.outputs)
    assert outputs <= 12 * 1024


@pytest.mark.skipif(not SHARED, reason="the MLPerf Tiny reference models are not beside this checkout")
@pytest.mark.parametrize(("name", "macs", "ram"), [("kws_ref_model", 2_656_768, 16_000), ("ad01_int8", 264_192, 768)])
def test_costs_of_published_models_are_the_published_ones(name: str, macs: int, ram: int) -> None:
    report = inspect((SHARED_MODELS / f"{name}.tflite").read_bytes())
    assert (report.macs, report.ram_bytes) == (macs, ram)


def request(arena_bytes: int) -> bytes:
    whole: Request = {
        "arena_bytes": arena_bytes,
        "inputs": [{"shape": [1, 1], "dtype": "int8"}],
        "outputs": 1,
        "vectors": [["00"]],
    }
    return json.dumps(whole).encode() + b"\n" + SINE


def test_a_native_crash_ends_the_subprocess_and_becomes_an_error() -> None:
    # With an arena of 16 bytes tflite-micro dereferences a null pointer: a real crash, as a hostile model would cause.
    with pytest.raises(OracleFailedError, match="tflite-micro was ended by SIGSEGV") as caught:
        _interpreter(request(arena_bytes=16))
    assert caught.value.code == "oracle_failed"


def test_a_refusal_by_the_interpreter_carries_its_words() -> None:
    with pytest.raises(OracleFailedError, match=r"tflite-micro refused the model: .*failed to allocate tensors"):
        _interpreter(request(arena_bytes=1024))


def test_a_model_with_an_operator_that_has_no_reference_kernel_runs_all_the_same() -> None:
    stored, real = WrittenTensor([1, 4], "int8", [0.1], [0]), WrittenTensor([1, 4], "float32")
    operators = [
        WrittenOperator("DEQUANTIZE", [0], [1]),
        WrittenOperator("ELU", [1], [2]),
        WrittenOperator("QUANTIZE", [2], [3]),
    ]
    model = write_model([stored, real, real, stored], operators, [0], [3])
    assert probe(model, count=2).litert_difference <= 1
    (answer,) = LoadedModel(model).run(np.array([[-1, 0, 1, 2]], np.float32))
    assert answer == pytest.approx([-0.6, 0, 1, 2], abs=0.05)


def test_an_operator_that_the_oracle_does_not_have_is_named() -> None:
    tensor, twice = WrittenTensor([1, 4], "int8", [0.1], [0]), WrittenTensor([1, 8], "int8", [0.1], [0])
    times = WrittenTensor([2], "int32", data=np.array([1, 2], np.int32))
    model = write_model([tensor, times, twice], [WrittenOperator("TILE", [0, 1], [2])], [0], [2])
    with pytest.raises(OracleFailedError, match=r"tflite-micro refused the model: .*'TILE'"):
        probe(model)


def test_a_model_that_lies_about_a_shape_is_refused_by_name_of_the_tensor() -> None:
    # The micro interpreter would believe the file, and read past the weights.
    lie = bytearray(SINE)
    subgraph = Buffer(SINE).root().tables(2, 1)[0]
    inner = subgraph.tables(3, 9)[0].int32s(2)[0]
    start, rank = subgraph.tables(0, 99)[inner]._vector(0, 4)
    lie[start + 4 * (rank - 1) : start + 4 * rank] = (131_088).to_bytes(4, "little")
    assert inspect(bytes(lie)).ram_bytes > 131_000
    with pytest.raises(OracleFailedError, match=r"LiteRT refused .* states the shape \[1, 131088\]"):
        probe(bytes(lie))


def test_mutated_models_that_look_well_formed_run_or_are_refused_and_never_harm_the_caller() -> None:
    rng = random.Random(20260107)
    outcomes = {"ran": 0, "refused": 0}
    while sum(outcomes.values()) < 40:
        data = bytearray(rng.choice(catalog()).model)
        for _ in range(rng.choice((1, 2, 4))):
            data[rng.choice((rng.randrange(600), rng.randrange(-2000, 0)))] = rng.choice(
                (0, 1, 255, rng.randrange(256))
            )
        try:
            inspect(bytes(data))
        except ModelError:
            continue
        try:
            probe(bytes(data), count=2)
            outcomes["ran"] += 1
        except ModelError:
            outcomes["refused"] += 1
    assert outcomes["ran"] > 5
    assert outcomes["refused"] > 5


def test_a_model_with_int32_edges_is_unsupported() -> None:
    data = bytearray(SINE)
    subgraph = Buffer(SINE).root().tables(2, 1)[0]
    first = subgraph.tables(0, 99)[subgraph.int32s(1)[0]]
    data[first.position + first.offsets[1]] = 2
    with pytest.raises(UnsupportedModelError, match="int32"):
        probe(bytes(data))


@pytest.mark.parametrize("name", ["lstm", "streaming", "recurrent"])
def test_the_vectors_of_a_model_with_state_are_one_sequence_from_its_first_state(name: str) -> None:
    data = (Path(__file__).parents[2] / "unit" / "compiler" / "models" / f"{name}.tflite").read_bytes()
    vectors = golden_vectors(data)
    assert golden_vectors(data) == vectors
    shape = inspect(data).inputs[0].shape

    def answers(*, reset: bool) -> list[bytes]:
        interpreter, found = None, []
        for vector in vectors:
            if interpreter is None or reset:
                interpreter = runtime.Interpreter.from_bytes(data, arena_size=1 << 18)
            interpreter.set_input(np.frombuffer(vector.inputs[0], np.int8).reshape(shape), 0)
            interpreter.invoke()
            found.append(interpreter.get_output(0).tobytes())
        return found

    assert [vector.outputs[0] for vector in vectors] == answers(reset=False) != answers(reset=True)
