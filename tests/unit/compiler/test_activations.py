"""Activations as operators of their own compute, on every byte, what the pinned oracle computes."""

from collections.abc import Sequence

import numpy as np
import pytest
from compiler.compile import compile_model
from compiler.errors import Code, CompileError
from host_model import HostModels, oracle
from tflite_writer import WrittenOperator, WrittenTensor, write_model

EVERY_BYTE = np.arange(-128, 128).astype(np.int8).reshape(1, 256)


def scale(rng: np.random.Generator, low: float = 0.002, high: float = 0.3) -> float:
    return float(np.float32(np.exp(rng.uniform(np.log(low), np.log(high)))))


def zero_point(rng: np.random.Generator) -> int:
    return int(rng.choice([-128, 0, 127, *rng.integers(-128, 128, 3)]))


def quantised(rng: np.random.Generator, shape: Sequence[int] = (1, 256), **fields: object) -> WrittenTensor:
    return WrittenTensor(shape, "int8", [scale(rng)], [zero_point(rng)], **fields)


def assert_every_output_is_exact(
    host: HostModels, tensors: list[WrittenTensor], operators: list[WrittenOperator], inputs: list[np.ndarray]
) -> None:
    """All operators read input 0; one model holds them all, so that one compilation checks them all."""
    model = write_model(tensors, operators, [0], [operator.outputs[0] for operator in operators])
    expected = oracle(model, [[array] for array in inputs])
    for variant, computed in host.run(model, [[array] for array in inputs]).items():
        for number, operator in enumerate(operators):
            want = [outputs[number] for outputs in expected]
            got = [outputs[number] for outputs in computed]
            assert got == want, f"the {variant} kernels differ: {operator}, {tensors[operator.outputs[0]]}"


def target(rng: np.random.Generator, kind: str, source: WrittenTensor) -> WrittenTensor:
    """An output tensor of the quantisation that the operator has or may have."""
    if kind == "TANH":
        return WrittenTensor(source.shape, "int8", [1 / 128], [0])
    if kind == "RELU6":
        return WrittenTensor(source.shape, "int8", source.scales, source.zero_points)
    ratio = rng.uniform(0.3, 4) * source.scales[0]
    return WrittenTensor(source.shape, "int8", [float(np.float32(ratio))], [zero_point(rng)])


@pytest.mark.parametrize("source", range(8))
@pytest.mark.parametrize("kind", ["RELU", "RELU6", "HARD_SWISH", "TANH", "LEAKY_RELU"])
def test_an_activation_is_exact_on_every_byte(kind: str, source: int, host_models: HostModels) -> None:
    rng = np.random.default_rng(source)
    tensors = [quantised(rng)]
    operators = []
    for number in range(6 if kind in {"RELU", "HARD_SWISH", "LEAKY_RELU"} else 1):
        tensors.append(target(rng, kind, tensors[0]))
        alpha = float(rng.choice([0.01, 0.2, 0.3, 1.0, 1.7, -0.4]))
        options = {"Alpha": alpha} if kind == "LEAKY_RELU" else {}
        operators.append(WrittenOperator(kind, [0], [number + 1], options))
    assert_every_output_is_exact(host_models, tensors, operators, [EVERY_BYTE])


@pytest.mark.parametrize(
    ("shape", "alphas"),
    [
        ([1, 256], [1]),
        ([1, 256], [256]),
        ([1, 5, 7, 6], [1, 1, 6]),
        ([1, 5, 7, 6], [5, 7, 6]),
        ([2, 5, 7, 6], [5, 1, 6]),
        ([2, 5, 7, 6], [2, 1, 7, 1]),
        ([3, 4, 5], [4, 1]),
    ],
)
def test_prelu_is_exact_with_alphas_of_every_shape(
    shape: list[int], alphas: list[int], host_models: HostModels
) -> None:
    rng = np.random.default_rng(sum(shape))
    source = quantised(rng, shape)
    tensors, operators = [source], []
    for _ in range(4):
        values = rng.integers(-128, 128, alphas).astype(np.int8)
        tensors.append(WrittenTensor(alphas, "int8", [scale(rng, 0.001, 0.02)], [zero_point(rng)], data=values))
        tensors.append(target(rng, "PRELU", source))
        operators.append(WrittenOperator("PRELU", [0, len(tensors) - 2], [len(tensors) - 1]))
    inputs = [rng.permutation(np.resize(EVERY_BYTE, shape).ravel()).reshape(shape) for _ in range(3)]
    assert_every_output_is_exact(host_models, tensors, operators, inputs)


Q = ([0.1], [3])
PLAIN = WrittenTensor([1, 4], "int8", *Q, name="x")
OTHER = WrittenTensor([1, 4], "int8", [0.2], [3], name="y")
WIDE = WrittenTensor([1, 5], "int8", *Q, name="y")
HUGE = WrittenTensor([1, 4], "int8", [3e38], [3], name="x")
TINY = WrittenTensor([1, 4], "int8", [1e-38], [3], name="y")
ALPHA = WrittenTensor([4], "int8", *Q, data=np.ones(4, np.int8), name="alpha")
FIVE = WrittenTensor([1, 1, 1, 1, 4], "int8", *Q, name="x")


@pytest.mark.parametrize(
    ("kind", "tensors", "options", "code", "said", "hint"),
    [
        ("RELU", [WrittenTensor([1, 4], "float32"), PLAIN], {}, Code.UNSUPPORTED_TYPE, "tensor 0", "quantisation"),
        ("RELU", [PLAIN, WIDE], {}, Code.BAD_MODEL, 'tensor 1 "y" int8[1,5]', "Export"),
        ("RELU6", [PLAIN, OTHER], {}, Code.UNSUPPORTED_OPERATOR, "differ in scale", "Fuse"),
        ("RELU", [HUGE, TINY], {}, Code.BAD_MODEL, "combine to inf", "Export"),
        ("RELU6", [TINY, TINY], {}, Code.BAD_MODEL, "output scale 1e-38 is too small", "Export"),
        ("HARD_SWISH", [HUGE, TINY], {}, Code.BAD_MODEL, "combine to inf", "Export"),
        ("LEAKY_RELU", [PLAIN, OTHER], {"Alpha": np.inf}, Code.BAD_MODEL, "alpha is inf", "Export"),
        ("LEAKY_RELU", [PLAIN, OTHER], {"Alpha": 1e30}, Code.BAD_MODEL, "beyond 32-bit", "Export"),
        ("TANH", [PLAIN, OTHER], {}, Code.BAD_MODEL, "must have scale 1/128", "Export"),
        ("HARD_SWISH", [PLAIN, WrittenTensor([1, 4], "int8", [1e-6], [0])], {}, Code.BAD_MODEL, "too far", "Export"),
        ("PRELU", [PLAIN, PLAIN, OTHER], {}, Code.UNSUPPORTED_OPERATOR, "is computed", "Freeze"),
        ("PRELU", [WIDE, ALPHA, WIDE], {}, Code.BAD_MODEL, 'tensor 1 "alpha" int8[4] is not repeated', "Export"),
        ("PRELU", [FIVE, ALPHA, FIVE], {}, Code.UNSUPPORTED_OPERATOR, "more than 4 dimensions", "Reshape"),
    ],
)
def test_what_is_refused_names_the_operator_the_tensor_and_the_remedy(
    kind: str, tensors: list[WrittenTensor], options: dict[str, float], code: Code, said: str, hint: str
) -> None:
    last = len(tensors) - 1
    model = write_model(tensors, [WrittenOperator(kind, range(last), [last], options)], [0], [last])
    with pytest.raises(CompileError) as caught:
        compile_model(model)
    assert caught.value.code is code
    assert f"operator 0 ({kind})" in caught.value.message
    assert said in caught.value.message
    assert hint in caught.value.hint
