"""The memory plan: what lives at the same time never shares a byte."""

from random import Random

import numpy as np
from compiler.compile import compile_model
from compiler.graph import DType, Node, Tensor
from compiler.layer import Below, Overlap, Same
from compiler.operators.rules import Axis
from compiler.operators.window import direct_overlap, gathered_overlap
from compiler.placing import ALIGNMENT, Buffer, lower_bound, place
from hypothesis import given
from hypothesis import strategies as st
from tflite_writer import WrittenOperator, WrittenTensor, write_model

Q = ([0.1], [0])
BUDGET = 3000  # of the search: its result must be a plan however early it stops
buffers = st.lists(
    st.tuples(st.integers(1, 5000), st.integers(0, 12), st.integers(0, 6)).map(
        lambda t: Buffer(size=t[0], first=t[1], last=t[1] + t[2])
    ),
    max_size=30,
)


@given(buffers)
def test_buffers_alive_together_never_overlap(wanted: list[Buffer]) -> None:
    offsets, arena = place(wanted, budget=BUDGET)
    for i, one in enumerate(wanted):
        assert offsets[i] % ALIGNMENT == 0
        assert 0 <= offsets[i] <= offsets[i] + one.size <= arena
        for j, other in enumerate(wanted[:i]):
            if one.meets(other):
                assert offsets[i] + one.size <= offsets[j] or offsets[j] + other.size <= offsets[i]


@given(buffers)
def test_the_arena_is_no_larger_than_all_buffers_side_by_side(wanted: list[Buffer]) -> None:
    _, arena = place(wanted, budget=BUDGET)
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
    assert layout.tensors[3] != layout.tensors[2], "the reshaped tensor is still to be read"
    assert layout.arena_bytes == 32, "the sum takes the place of a term, the first output that of the input"


@given(buffers, st.randoms(use_true_random=False))
def test_an_output_overlaps_its_input_only_as_its_layer_allows(wanted: list[Buffer], random: Random) -> None:
    overlaps: dict[tuple[int, int], Overlap] = {}
    for target, one in enumerate(wanted):
        for source, other in enumerate(wanted):
            if target != source and one.first == other.last and other.first < other.last and random.random() < 0.5:
                overlaps[target, source] = random.choice([Same(), Below(random.randint(-6000, 6000))])
    offsets, arena = place(wanted, overlaps, BUDGET)
    assert arena >= lower_bound(wanted, overlaps) or len(overlaps) > 1
    for i, one in enumerate(wanted):
        assert 0 <= offsets[i] <= offsets[i] + one.size <= arena
        for j, other in enumerate(wanted):
            apart = offsets[i] + one.size <= offsets[j] or offsets[j] + other.size <= offsets[i]
            if i == j or not one.meets(other) or apart or (j, i) in overlaps:
                continue
            overlap = overlaps.get((i, j))
            if isinstance(overlap, Below):
                assert offsets[i] + overlap.distance <= offsets[j]
            else:
                assert isinstance(overlap, Same)
                assert offsets[i] == offsets[j]


def test_a_chain_of_equal_convolutions_needs_little_more_than_one_tensor() -> None:
    """In place but for a row and a pixel that each 3x3 window still needs, and the scratch of four windows."""
    row_and_pixel, scratch = (16 + 1) * 8, (4 * 2 + 1) * 72
    assert compile_model(chain(["CONV_2D"] * 3)).plan.arena_bytes == 16 * 16 * 8 + 3 * row_and_pixel + scratch


def test_depthwise_convolutions_run_in_place() -> None:
    plane = 2 * 18 * 20  # one channel with its padding, in 16 bits
    assert compile_model(chain(["DEPTHWISE_CONV_2D"] * 3)).plan.arena_bytes == 16 * 16 * 8 + plane


def chain(kinds: list[str]) -> bytes:
    """Windows of 3x3 over [1, 16, 16, 8], one after the other."""
    tensors = [WrittenTensor([1, 16, 16, 8], "int8", *Q) for _ in range(len(kinds) + 1)]
    operators = []
    for position, kind in enumerate(kinds):
        shape = [8, 3, 3, 8] if kind == "CONV_2D" else [1, 3, 3, 8]
        operators.append(
            WrittenOperator(kind, [position, len(tensors)], [position + 1], {"StrideW": 1, "StrideH": 1, "Padding": 0})
        )
        tensors.append(WrittenTensor(shape, "int8", *Q, data=np.ones(shape, np.int8)))
    return write_model(tensors, operators, [0], [len(kinds)])


axes = st.tuples(st.integers(1, 7), st.integers(1, 4), st.integers(1, 3), st.integers(1, 2), st.booleans()).filter(
    lambda t: t[4] or t[0] > (t[1] - 1) * t[3]
)


def axis_of(t: tuple[int, int, int, int, bool]) -> Axis:
    size, window, stride, dilation, same = t
    reach = (window - 1) * dilation + 1
    out = -(-size // stride) if same else -(-(size - reach + 1) // stride)
    return Axis(size, out, window, stride, dilation, max(0, (out - 1) * stride + reach - size) // 2)


@given(axes, axes, st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.sampled_from([0, 1, 4]))
def test_no_window_reads_what_an_earlier_output_wrote(
    tall: tuple[int, int, int, int, bool],
    wide: tuple[int, int, int, int, bool],
    batches: int,
    cin: int,
    cout: int,
    pixels: int,
) -> None:
    """The kernels' order of reads and writes, with the output as high as the overlap allows."""
    rows, columns = axis_of(tall), axis_of(wide)
    source = Tensor(0, "in", (batches, rows.size_in, columns.size_in, cin), DType.INT8, None, None)
    target = Tensor(1, "out", (batches, rows.size_out, columns.size_out, cout), DType.INT8, None, None)
    node = Node(0, "CONV_2D", (source,), (target,), None)
    overlap = gathered_overlap(node, rows, columns, pixels) if pixels else direct_overlap(node, rows, columns)
    assert isinstance(overlap, Below)

    reads: list[int] = []  # for each output pixel the lowest byte of its window, or beyond all
    for batch in range(batches):
        image = batch * rows.size_in * columns.size_in * cin
        for y in range(rows.size_out):
            for x in range(columns.size_out):
                ys = [y * rows.stride - rows.before + k * rows.dilation for k in range(rows.window)]
                xs = [x * columns.stride - columns.before + k * columns.dilation for k in range(columns.window)]
                inside = [
                    (a * columns.size_in + b) * cin
                    for a in ys
                    for b in xs
                    if 0 <= a < rows.size_in and 0 <= b < columns.size_in
                ]
                reads.append(image + min(inside) if inside else 1 << 30)
    for pixel, lowest in enumerate(reads):
        # What is written before, or for a direct kernel while, this pixel's window is read.
        written = pixel // pixels * pixels * cout if pixels else (pixel + 1) * cout
        assert written == 0 or written - overlap.distance <= lowest
