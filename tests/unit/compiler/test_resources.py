"""Resource variables keep their values from one inference to the next, as in the pinned oracle."""

import numpy as np
import pytest
from compiler.compile import compile_model
from compiler.errors import Code, CompileError
from host_model import HostModels, oracle
from tflite_writer import WrittenGraph, WrittenOperator, WrittenTensor, write_model

SHAPE = [1, 3, 4]
HANDLE = WrittenTensor([], "resource", name="handle")
INFERENCES = 6


def activation(scale: float, zero_point: int, name: str = "x", shape: list[int] = SHAPE) -> WrittenTensor:
    return WrittenTensor(shape, "int8", [scale], [zero_point], name=name)


def handle(output: int, name: str = "memory") -> WrittenOperator:
    return WrittenOperator("VAR_HANDLE", [], [output], {"SharedName": name, "Container": ""})


def initialisation(value: np.ndarray | None, name: str = "memory") -> WrittenGraph:
    """What CALL_ONCE calls: it assigns the value, or nothing."""
    data = WrittenTensor(SHAPE, "int8", [0.1], [7], data=value)
    return WrittenGraph([HANDLE, data], [handle(0, name), WrittenOperator("ASSIGN_VARIABLE", [0, 1], [])])


def leaky_sum(*, called: bool = True, value: np.ndarray | None = None) -> bytes:
    """memory = output = input + memory: every output tells of all inputs before it."""
    tensors = [
        activation(0.1, 7),
        HANDLE,
        activation(0.1, 7, "memory"),
        activation(0.15, -3, "sum"),
        activation(0.1, 7),
    ]
    operators = [
        handle(1),
        WrittenOperator("READ_VARIABLE", [1], [2]),
        WrittenOperator("ADD", [0, 2], [3]),
        WrittenOperator("QUANTIZE", [3], [4]),
        WrittenOperator("ASSIGN_VARIABLE", [1, 4], []),
    ]
    if called:
        operators.insert(0, WrittenOperator("CALL_ONCE", [], [], {"InitSubgraphIndex": 1}))
    return write_model(tensors, operators, [0], [3], called=[initialisation(value)] if called else [])


def sequence(shape: list[int] = SHAPE, seed: int = 0) -> list[list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [[rng.integers(-128, 128, shape).astype(np.int8)] for _ in range(INFERENCES)]


@pytest.mark.parametrize(
    ("called", "value"),
    [
        (False, None),  # begins with real zero
        (True, np.zeros(SHAPE, np.int8)),
        (True, np.arange(-60, 60, 10, dtype=np.int8).reshape(SHAPE)),
    ],
)
def test_a_variable_begins_as_the_model_says_and_lives_on(
    called: bool, value: np.ndarray | None, host_models: HostModels
) -> None:
    model, inputs = leaky_sum(called=called, value=value), sequence()
    expected = oracle(model, inputs)
    assert len({tuple(outputs) for outputs in oracle(model, [inputs[0]] * 2)}) == 2  # the oracle has a memory
    for variant, computed in host_models.run(model, inputs).items():
        assert computed == expected, f"the {variant} kernels differ"


def test_a_reset_brings_back_the_first_inference(host_models: HostModels) -> None:
    model, inputs = leaky_sum(value=np.full(SHAPE, 30, np.int8)), sequence()
    library, graph = host_models.load(model, "plain")
    first = [host_models.invoke(library, arrays, graph) for arrays in inputs]
    again = [host_models.invoke(library, arrays, graph) for arrays in inputs]
    assert again != first
    library.model_reset()
    assert [host_models.invoke(library, arrays, graph) for arrays in inputs] == first == oracle(model, inputs)


def test_two_handles_of_one_name_are_one_variable_and_two_names_are_two(host_models: HostModels) -> None:
    """Each output is a variable of one inference or two before; the first is written after it was read twice."""
    one, two = np.full(SHAPE, 11, np.int8), np.full(SHAPE, 22, np.int8)
    tensors = [activation(0.1, 7), HANDLE, HANDLE, HANDLE, *[activation(0.1, 7) for _ in range(3)]]
    operators = [
        WrittenOperator("CALL_ONCE", [], [], {"InitSubgraphIndex": 1}),
        WrittenOperator("CALL_ONCE", [], [], {"InitSubgraphIndex": 2}),
        handle(1, "a"),
        handle(2, "b"),
        handle(3, "a"),
        WrittenOperator("READ_VARIABLE", [1], [4]),
        WrittenOperator("READ_VARIABLE", [2], [5]),
        WrittenOperator("ASSIGN_VARIABLE", [2, 4], []),
        WrittenOperator("ASSIGN_VARIABLE", [3, 0], []),
        WrittenOperator("READ_VARIABLE", [1], [6]),
    ]
    called = [initialisation(one, "a"), initialisation(two, "b")]
    model, inputs = write_model(tensors, operators, [0], [4, 5, 6], called=called), sequence()
    expected = oracle(model, inputs)
    assert expected[0] == [one.tobytes(), two.tobytes(), inputs[0][0].tobytes()]
    assert expected[2][:2] == [inputs[1][0].tobytes(), inputs[0][0].tobytes()]
    for computed in host_models.run(model, inputs).values():
        assert computed == expected


def test_state_is_counted_beside_the_arena() -> None:
    sources = compile_model(leaky_sum(called=False)).sources
    assert "#define MODEL_STATE_BYTES 12 " in sources["model.h"]
    assert "static int8_t variable_0[12]" in sources["model.c"]


def test_a_model_without_state_has_an_empty_reset() -> None:
    tensor = activation(0.1, 7)
    sources = compile_model(write_model([tensor] * 2, [WrittenOperator("RELU", [0], [1])], [0], [1])).sources
    assert "#define MODEL_STATE_BYTES 0 " in sources["model.h"]
    assert "void model_reset(void)\n{\n}" in sources["model.c"]


READ = WrittenOperator("READ_VARIABLE", [1], [2])
ASSIGN = WrittenOperator("ASSIGN_VARIABLE", [1, 0], [])
CALL = WrittenOperator("CALL_ONCE", [], [], {"InitSubgraphIndex": 1})
PLAIN = activation(0.1, 7)
WIDE = activation(0.1, 7, "wide", [1, 5, 4])
COMPUTED = initialisation(None)
RELU = WrittenGraph([HANDLE, PLAIN, PLAIN], [handle(0), WrittenOperator("RELU", [1], [2])])
CONSTANT = initialisation(np.zeros(SHAPE, np.int8))


@pytest.mark.parametrize(
    ("operators", "last", "called", "code", "said", "hint"),
    [
        ([handle(1), READ], PLAIN, [], Code.UNSUPPORTED_OPERATOR, "operator 0 (VAR_HANDLE): nothing", "Initialise"),
        ([handle(1), READ, ASSIGN], WIDE, [], Code.BAD_MODEL, 'operator 1 (READ_VARIABLE): tensor 2 "wide"', "Export"),
        ([handle(3), ASSIGN], PLAIN, [], Code.BAD_MODEL, 'operator 1 (ASSIGN_VARIABLE): tensor 1 "handle"', "Export"),
        ([CALL, handle(1), READ], PLAIN, [], Code.BAD_MODEL, "operator 0 (CALL_ONCE) calls subgraph 1 of 1", "Export"),
        ([CALL, handle(1), READ], PLAIN, [COMPUTED], Code.UNSUPPORTED_OPERATOR, "which is computed", "constants"),
        ([CALL, handle(1), READ], PLAIN, [RELU], Code.UNSUPPORTED_OPERATOR, "operator 1 (RELU) in subgraph 1", "const"),
        ([handle(1), READ, CALL], PLAIN, [CONSTANT], Code.UNSUPPORTED_OPERATOR, "operator 1 (READ_VARIABLE) uses", "I"),
        ([handle(1), READ, ASSIGN], PLAIN, [CONSTANT], Code.UNSUPPORTED_OPERATOR, "2 subgraphs", "WHILE"),
        ([CALL, handle(1), READ], WIDE, [CONSTANT], Code.BAD_MODEL, "not the 12 bytes of int8", "Export"),
    ],
)
def test_what_is_refused_names_the_operator_and_the_remedy(
    operators: list[WrittenOperator],
    last: WrittenTensor,
    called: list[WrittenGraph],
    code: Code,
    said: str,
    hint: str,
) -> None:
    with pytest.raises(CompileError) as caught:
        compile_model(write_model([PLAIN, HANDLE, last, HANDLE], operators, [0], [2], called=called))
    assert caught.value.code is code
    assert said in caught.value.message
    assert hint in caught.value.hint


def test_a_variable_tensor_of_another_operator_is_refused() -> None:
    """Only an LSTM's state tensors are variables in the micro interpreter's models."""
    variable = WrittenTensor(SHAPE, "int8", [0.1], [7], name="kept", is_variable=True)
    model = write_model([PLAIN, variable, PLAIN], [WrittenOperator("ADD", [0, 1], [2])], [0], [2])
    with pytest.raises(CompileError, match=r'operator 0 \(ADD\): tensor 1 "kept" int8\[1,3,4\] is a variable'):
        compile_model(model)
