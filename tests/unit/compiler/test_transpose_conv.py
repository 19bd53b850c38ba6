"""TRANSPOSE_CONV computes, bit for bit, what the pinned oracle computes."""

import numpy as np
import pytest
from compiler.compile import compile_model
from compiler.errors import Code, CompileError
from host_model import HostModels, oracle
from tflite_writer import WrittenOperator, WrittenTensor, write_model

SAME, VALID = 0, 1
CASES = 32


def transposed(seed: int) -> tuple[bytes, list[int]]:
    """A random layer, and the shape of its input."""
    rng = np.random.default_rng(seed)
    batch, height, width = int(rng.integers(1, 3)), int(rng.integers(1, 6)), int(rng.integers(1, 6))
    cin, cout = int(rng.integers(1, 10)), int(rng.integers(1, 10))
    window = [int(size) for size in rng.integers(1, 5, 2)]
    stride = [int(size) for size in rng.integers(1, 4, 2)]
    padding = int(rng.integers(0, 2))
    out = [
        size * step + (0 if padding == SAME else max(reach - step, 0))
        for size, step, reach in zip((height, width), stride, window, strict=True)
    ]
    per_channel = bool(rng.integers(0, 2))
    scales = [float(np.float32(s)) for s in rng.uniform(0.002, 0.02, cout if per_channel else 1)]
    source = WrittenTensor([batch, height, width, cin], "int8", [0.05], [int(rng.integers(-128, 128))])
    shape = [cout, *window, cin]
    filters = WrittenTensor(
        shape, "int8", scales, [0] * len(scales), 0, rng.integers(-127, 128, shape).astype(np.int8), "filters"
    )
    bias = WrittenTensor(
        [cout],
        "int32",
        [float(np.float32(0.05 * scale)) for scale in scales],
        [0] * len(scales),
        0,
        rng.integers(-9000, 9000, cout).astype(np.int32),
    )
    sizes = WrittenTensor([4], "int32", data=np.array([batch, *out, cout], np.int32))
    target = WrittenTensor([batch, *out, cout], "int8", [float(np.float32(rng.uniform(0.02, 0.2)))], [-7])
    operands = [0, 1, 2, 3] if rng.integers(0, 2) else [0, 1, 2]
    options = {"Padding": padding, "StrideH": stride[0], "StrideW": stride[1]}
    options["FusedActivationFunction"] = int(rng.choice([0, 0, 1, 3]))
    model = write_model(
        [sizes, filters, source, bias, target],
        [WrittenOperator("TRANSPOSE_CONV", operands, [4], options)],
        [2],
        [4],
    )
    return model, list(source.shape)


@pytest.mark.parametrize("seed", range(CASES))
def test_a_random_layer_is_exact(seed: int, host_models: HostModels) -> None:
    model, shape = transposed(seed)
    rng = np.random.default_rng(seed)
    inputs = [[rng.integers(-128, 128, shape).astype(np.int8)] for _ in range(3)]
    expected = oracle(model, inputs)
    for variant, computed in host_models.run(model, inputs).items():
        assert computed == expected, f"the {variant} kernels differ"


SIZES = WrittenTensor([4], "int32", data=np.array([1, 4, 4, 2], np.int32))
FILTERS = WrittenTensor([2, 2, 2, 3], "int8", [0.1], [0], data=np.ones([2, 2, 2, 3], np.int8), name="filters")
SOURCE = WrittenTensor([1, 2, 2, 3], "int8", [0.1], [0], name="x")
TARGET = WrittenTensor([1, 4, 4, 2], "int8", [0.1], [0], name="y")
STRIDES = {"StrideH": 2, "StrideW": 2}


@pytest.mark.parametrize(
    ("tensors", "options", "code", "said", "hint"),
    [
        ({1: WrittenTensor([2, 2, 2, 3], "int8", [0.1], [0])}, {}, Code.UNSUPPORTED_OPERATOR, "is computed", "Freeze"),
        ({2: WrittenTensor([1, 2, 2, 4], "int8", [0.1], [0], name="x")}, {}, Code.BAD_MODEL, '"x"', "Export"),
        ({3: WrittenTensor([1, 4, 4, 2], "int16", [0.1], [0])}, {}, Code.UNSUPPORTED_TYPE, "is not int8", "int8"),
        ({}, {"StrideH": 0}, Code.BAD_MODEL, "stride 0", "Export"),
        ({}, {"StrideH": 32, "StrideW": 16}, Code.UNSUPPORTED_OPERATOR, "32 and 16", "smaller strides"),
        ({}, {"Padding": 5}, Code.BAD_MODEL, "padding 5", "Export"),
        ({}, {"FusedActivationFunction": 9}, Code.UNSUPPORTED_OPERATOR, "activation 9", "RELU6"),
    ],
)
def test_what_is_refused_names_the_operator_the_tensor_and_the_remedy(
    tensors: dict[int, WrittenTensor], options: dict[str, int], code: Code, said: str, hint: str
) -> None:
    listed = [tensors.get(index, tensor) for index, tensor in enumerate([SIZES, FILTERS, SOURCE, TARGET])]
    operator = WrittenOperator("TRANSPOSE_CONV", [0, 1, 2], [3], STRIDES | options)
    free = [2] if listed[1].data is not None else [1, 2]
    with pytest.raises(CompileError) as caught:
        compile_model(write_model(listed, [operator], free, [3]))
    assert caught.value.code is code
    assert "operator 0 (TRANSPOSE_CONV)" in caught.value.message
    assert said in caught.value.message
    assert hint in caught.value.hint
