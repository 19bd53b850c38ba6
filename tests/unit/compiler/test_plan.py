"""The memory plan: what lives at the same time never shares a byte."""

from compiler.compile import compile_model
from compiler.plan import ALIGNMENT, Buffer, place
from hypothesis import given
from hypothesis import strategies as st
from tflite_writer import WrittenOperator, WrittenTensor, write_model

Q = ([0.1], [0])
buffers = st.lists(
    st.tuples(st.integers(1, 5000), st.integers(0, 12), st.integers(0, 6)).map(
        lambda t: Buffer(size=t[0], first=t[1], last=t[1] + t[2])
    ),
    max_size=30,
)


@given(buffers)
def test_buffers_alive_together_never_overlap(wanted: list[Buffer]) -> None:
    offsets, arena = place(wanted)
    for i, one in enumerate(wanted):
        assert offsets[i] % ALIGNMENT == 0
        assert 0 <= offsets[i] <= offsets[i] + one.size <= arena
        for j, other in enumerate(wanted[:i]):
            if one.meets(other):
                assert offsets[i] + one.size <= offsets[j] or offsets[j] + other.size <= offsets[i]


@given(buffers)
def test_the_arena_is_no_larger_than_all_buffers_side_by_side(wanted: list[Buffer]) -> None:
    _, arena = place(wanted)
    assert arena <= sum(-(-buffer.size // ALIGNMENT) * ALIGNMENT for buffer in wanted)


def test_buffers_of_different_times_share_their_place() -> None:
    _, arena = place([Buffer(64, 0, 1), Buffer(64, 2, 3), Buffer(64, 4, 5)])
    assert arena == 64


def test_a_reshape_costs_no_memory_and_keeps_its_input_alive() -> None:
    tensors = [
        WrittenTensor([1, 16], "int8", *Q),
        WrittenTensor([1, 16], "int8", [1 / 256], [-128]),
        WrittenTensor([4, 4], "int8", [1 / 256], [-128]),
        WrittenTensor([4, 4], "int8", [1 / 256], [-128]),
        WrittenTensor([4, 4], "int8", *Q),
    ]
    operators = [
        WrittenOperator("LOGISTIC", [0], [1]),
        WrittenOperator("RESHAPE", [1], [2]),
        WrittenOperator("LOGISTIC", [2], [3]),
        WrittenOperator("ADD", [2, 3], [4]),
    ]
    layout = compile_model(write_model(tensors, operators, [0], [4])).plan
    assert layout.tensors[1] == layout.tensors[2]
    assert len({layout.tensors[2], layout.tensors[3], layout.tensors[4]}) == 3
    assert layout.arena_bytes == 48
