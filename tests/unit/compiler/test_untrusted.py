"""Whatever the bytes are, the compiler ends with C or with a CompileError."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from compiler.compile import compile_model
from compiler.errors import Code, CompileError
from host_model import IMAGE
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import bases, mutant
from tflite_writer import WrittenOperator, WrittenTensor, write_model

SAMPLE = (IMAGE / "samples" / "mnist.tflite").read_bytes()
Q = ([0.1], [0])
BASES = bases()
FUZZED = 800  # cases


def small_model() -> bytes:
    """Two operators in few bytes, so that most mutations hit structure."""
    return write_model(
        [
            WrittenTensor([1, 4, 4, 2], "int8", *Q),
            WrittenTensor([3, 1, 1, 2], "int8", *Q, data=np.ones([3, 1, 1, 2], np.int8)),
            WrittenTensor([1, 4, 4, 3], "int8", *Q),
            WrittenTensor([1, 48], "int8", *Q),
        ],
        [
            WrittenOperator("CONV_2D", [0, 1], [2], {"StrideW": 1, "StrideH": 1}),
            WrittenOperator("RESHAPE", [2], [3]),
        ],
        [0],
        [3],
    )


SMALL = small_model()


def compiles_or_refuses(data: bytes) -> None:
    """Any other exception fails the test."""
    try:
        texts = tuple(compile_model(data).sources.values())
    except CompileError as refused:
        texts = (refused.message, refused.hint)
    assert all(text and text.isascii() for text in texts)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    compiles_or_refuses(data)
    compiles_or_refuses(data[:4] + b"TFL3" + data[4:])


def test_every_truncation_is_refused_or_compiles() -> None:
    for length in range(len(SMALL)):
        compiles_or_refuses(SMALL[:length])


@settings(deadline=None, max_examples=1500, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes_are_refused_or_compile(changes: list[tuple[int, int]]) -> None:
    data = bytearray(SMALL)
    for place, value in changes:
        data[place] = value
    compiles_or_refuses(bytes(data))


@settings(deadline=None, max_examples=300, derandomize=True)
@given(
    st.integers(0, len(SMALL) // 4 - 1),
    st.sampled_from([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF0, 0x10000, len(SMALL)]),
)
def test_changed_words_are_refused_or_compile(word: int, value: int) -> None:
    data = bytearray(SMALL)
    data[4 * word : 4 * word + 4] = value.to_bytes(4, "little")
    compiles_or_refuses(bytes(data))


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255)), min_size=1, max_size=30))
def test_a_real_model_with_changed_bytes_is_refused_or_compiles(changes: list[tuple[int, int]]) -> None:
    data = bytearray(SAMPLE)
    for place, value in changes:
        data[place] = value
    compiles_or_refuses(bytes(data))


def refusal(model: bytes) -> CompileError:
    with pytest.raises(CompileError) as caught:
        compile_model(model)
    return caught.value


def one_operator(kind: str, tensors: Sequence[WrittenTensor], **options: int) -> bytes:
    return write_model(tensors, [WrittenOperator(kind, [0], [len(tensors) - 1], options)], [0], [len(tensors) - 1])


def test_an_unsupported_operator_is_named_with_its_index_and_tensor() -> None:
    tensor = WrittenTensor([1, 4], "int8", *Q, name="result")
    model = write_model([tensor, tensor, tensor], [WrittenOperator("POW", [0, 1], [2])], [0, 1], [2])
    error = refusal(model)
    assert error.code is Code.UNSUPPORTED_OPERATOR
    assert "operator 0 (POW)" in error.message
    assert 'tensor 2 "result" int8[1,4]' in error.message
    assert "CONV_2D" in error.hint


def test_a_float_model_is_an_unsupported_type_and_says_how_to_quantise() -> None:
    tensor = WrittenTensor([1, 4, 4, 1], "float32")
    model = one_operator("MAX_POOL_2D", [tensor, tensor], StrideW=1, StrideH=1, FilterWidth=1, FilterHeight=1)
    error = refusal(model)
    assert error.code is Code.UNSUPPORTED_TYPE
    assert "float32" in error.message
    assert "quantisation" in error.hint


@pytest.mark.parametrize("dtype", ["int16", "uint8"])
def test_other_integer_types_are_unsupported(dtype: str) -> None:
    tensor = WrittenTensor([1, 4], dtype, *Q)
    assert refusal(one_operator("LOGISTIC", [tensor, tensor])).code is Code.UNSUPPORTED_TYPE


def test_a_tensor_without_quantisation_is_an_unsupported_type() -> None:
    tensor = WrittenTensor([1, 4], "int8")
    assert refusal(one_operator("LOGISTIC", [tensor, tensor])).code is Code.UNSUPPORTED_TYPE


def test_a_model_of_several_subgraphs_is_refused() -> None:
    tensor = WrittenTensor([1, 4], "int8", *Q)
    model = write_model([tensor, tensor], [WrittenOperator("RESHAPE", [0], [1])], [0], [1], subgraphs=2)
    assert refusal(model).code is Code.UNSUPPORTED_OPERATOR


@pytest.mark.parametrize(
    ("reads", "writes"),
    [
        ([1], [2]),  # read before it is written
        ([0], [0]),  # an input is written
        ([0, 0], [2]),  # written twice
    ],
)
def test_operators_out_of_order_are_a_bad_model(reads: list[int], writes: list[int]) -> None:
    tensor = WrittenTensor([1, 4], "int8", *Q)
    operators = [WrittenOperator("RESHAPE", [read], writes) for read in reads]
    assert refusal(write_model([tensor] * 3, operators, [0], writes)).code is Code.BAD_MODEL


def test_a_shape_that_the_window_does_not_give_is_a_bad_model() -> None:
    model = one_operator(
        "MAX_POOL_2D",
        [WrittenTensor([1, 4, 4, 1], "int8", *Q), WrittenTensor([1, 9, 9, 1], "int8", *Q)],
        StrideW=1,
        StrideH=1,
        FilterWidth=1,
        FilterHeight=1,
    )
    error = refusal(model)
    assert error.code is Code.BAD_MODEL
    assert "operator 0 (MAX_POOL_2D)" in error.message


def test_names_from_the_file_cannot_leave_a_comment() -> None:
    name = "*/ #include </etc/passwd> \n\\"
    tensor = WrittenTensor([1, 4], "int8", *Q, name=name)
    target = WrittenTensor([1, 4], "int8", [1 / 256], [-128], name=name)
    source = compile_model(one_operator("LOGISTIC", [tensor, target])).sources["model.c"]
    assert "#include <" not in source
    assert "passwd> " not in source
    assert source.count("/*") == source.count("*/")


def test_a_tensor_too_large_for_any_board_is_too_large() -> None:
    tensor = WrittenTensor([1 << 15, 1 << 15], "int8", *Q)
    assert refusal(one_operator("RESHAPE", [tensor, tensor])).code is Code.MODEL_TOO_LARGE


def test_the_command_line_writes_sources_or_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from compiler.__main__ import main

    good, bad = tmp_path / "good.tflite", tmp_path / "bad.tflite"
    good.write_bytes(SMALL)
    bad.write_bytes(b"not a model")
    assert main([str(good), "-o", str(tmp_path / "out")]) == 0
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"model.c", "model.h"}
    assert main([str(bad), "-o", str(tmp_path / "out")]) == 1
    assert "bad_model" in capsys.readouterr().err


@pytest.mark.parametrize("first", range(0, FUZZED, FUZZED // 4))
def test_mutated_models_are_refused_or_compile(first: int) -> None:
    """A few of what bench/fuzz.py runs by the hundred thousand."""
    for seed in range(first, first + FUZZED // 4):
        compiles_or_refuses(mutant(seed, BASES)[1])
