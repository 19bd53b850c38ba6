"""The generated C computes, bit for bit, what the pinned oracle computes: random models of each operator."""

from collections.abc import Sequence

import numpy as np
import pytest
from host_model import HostModels, oracle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tflite_writer import WrittenOperator, WrittenTensor, write_model

SAME, VALID = 0, 1
INFERENCES = 3

random_models = settings(
    max_examples=25,
    deadline=None,  # each example runs a compiler
    derandomize=True,  # the same models on every machine: a failure is reproducible by its test's name
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
seeds = st.integers(0, 2**32 - 1)
activations = st.sampled_from([0, 1, 2, 3])
sizes = st.integers(1, 9)


def assert_exact(host: HostModels, model: bytes, inputs: Sequence[Sequence[np.ndarray]]) -> None:
    expected = oracle(model, inputs)
    for variant, computed in host.run(model, inputs).items():
        for index, (want, got) in enumerate(zip(expected, computed, strict=True)):
            assert got == want, f"the {variant} kernels differ on inference {index}"


def int8(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    return rng.integers(-128, 128, shape).astype(np.int8)


def random_inputs(rng: np.random.Generator, *shapes: Sequence[int]) -> list[list[np.ndarray]]:
    return [[int8(rng, shape) for shape in shapes] for _ in range(INFERENCES)]


def activation(rng: np.random.Generator, shape: Sequence[int], name: str = "x") -> WrittenTensor:
    """An activation with a random quantisation."""
    scale = float(np.float32(np.exp(rng.uniform(np.log(0.002), np.log(0.3)))))
    return WrittenTensor(shape, "int8", [scale], [int(rng.integers(-128, 128))], name=name)


def weights(rng: np.random.Generator, shape: Sequence[int], axis: int, *, per_channel: bool) -> WrittenTensor:
    count = shape[axis] if per_channel else 1
    scales = np.exp(rng.uniform(np.log(0.001), np.log(0.05), count)).astype(np.float32)
    data = rng.integers(-127, 128, shape).astype(np.int8)
    return WrittenTensor(shape, "int8", [float(s) for s in scales], [0] * count, axis, data, "weights")


def bias(rng: np.random.Generator, channels: int, source: WrittenTensor, filters: WrittenTensor) -> WrittenTensor:
    data = rng.integers(-20000, 20000, channels).astype(np.int32)
    scales = [source.scales[0] * scale for scale in filters.scales]
    return WrittenTensor([channels], "int32", scales, [0] * len(scales), 0, data, "bias")


def spread(rng: np.random.Generator, source: WrittenTensor, filters: WrittenTensor, terms: int) -> WrittenTensor:
    """An output quantisation that neither saturates everything nor rounds everything to one value."""
    scale = source.scales[0] * float(np.mean(filters.scales)) * 70 * 70 * np.sqrt(terms) / 60 * rng.uniform(0.3, 3)
    return WrittenTensor([], "int8", [float(np.float32(scale))], [int(rng.integers(-128, 128))], name="out")


def out_size(size: int, window: int, stride: int, dilation: int, padding: int) -> int:
    reach = (window - 1) * dilation + 1
    return -(-size // stride) if padding == SAME else -(-(size - reach + 1) // stride)


@st.composite
def windows(draw: st.DrawFn, *, dilated: bool = True) -> dict[str, int]:
    padding = draw(st.sampled_from([SAME, VALID]))
    found = {"padding": padding}
    for axis in ("height", "width"):
        window = draw(st.integers(1, 4))
        dilation = draw(st.sampled_from([1, 1, 2])) if dilated else 1
        stride = draw(st.integers(1, 3)) if dilation == 1 else 1
        reach = (window - 1) * dilation + 1
        size = draw(st.integers(reach if padding == VALID else 1, 10))
        found |= {
            f"window_{axis}": window,
            f"dilation_{axis}": dilation,
            f"stride_{axis}": stride,
            f"in_{axis}": size,
            f"out_{axis}": out_size(size, window, stride, dilation, padding),
        }
    return found


def window_options(w: dict[str, int], fused: int) -> dict[str, int]:
    return {
        "Padding": w["padding"],
        "StrideW": w["stride_width"],
        "StrideH": w["stride_height"],
        "FusedActivationFunction": fused,
    }


@random_models
@given(
    seed=seeds, w=windows(), batch=st.integers(1, 2), cin=sizes, cout=sizes, fused=activations, flags=st.integers(0, 3)
)
def test_conv_2d_is_exact(
    host_models: HostModels, seed: int, w: dict[str, int], batch: int, cin: int, cout: int, fused: int, flags: int
) -> None:
    rng = np.random.default_rng(seed)
    source = activation(rng, [batch, w["in_height"], w["in_width"], cin])
    filters = weights(rng, [cout, w["window_height"], w["window_width"], cin], 0, per_channel=bool(flags & 1))
    target = spread(rng, source, filters, w["window_height"] * w["window_width"] * cin)
    target = WrittenTensor([batch, w["out_height"], w["out_width"], cout], "int8", target.scales, target.zero_points)
    options = window_options(w, fused) | {
        "DilationWFactor": w["dilation_width"],
        "DilationHFactor": w["dilation_height"],
    }
    operands = [0, 1, 2] if flags & 2 else [0, 1]
    model = write_model(
        [source, filters, bias(rng, cout, source, filters), target],
        [WrittenOperator("CONV_2D", operands, [3], options)],
        [0],
        [3],
    )
    assert_exact(host_models, model, random_inputs(rng, source.shape))


@random_models
@given(seed=seeds, w=windows(), batch=st.integers(1, 2), cin=sizes, times=st.integers(1, 3), fused=activations)
def test_depthwise_conv_2d_is_exact(
    host_models: HostModels, seed: int, w: dict[str, int], batch: int, cin: int, times: int, fused: int
) -> None:
    rng = np.random.default_rng(seed)
    cout = cin * times
    source = activation(rng, [batch, w["in_height"], w["in_width"], cin])
    filters = weights(rng, [1, w["window_height"], w["window_width"], cout], 3, per_channel=bool(seed & 1))
    target = spread(rng, source, filters, w["window_height"] * w["window_width"])
    target = WrittenTensor([batch, w["out_height"], w["out_width"], cout], "int8", target.scales, target.zero_points)
    options = window_options(w, fused) | {
        "DilationWFactor": w["dilation_width"],
        "DilationHFactor": w["dilation_height"],
        "DepthMultiplier": times,
    }
    model = write_model(
        [source, filters, bias(rng, cout, source, filters), target],
        [WrittenOperator("DEPTHWISE_CONV_2D", [0, 1, 2], [3], options)],
        [0],
        [3],
    )
    assert_exact(host_models, model, random_inputs(rng, source.shape))


@random_models
@given(
    seed=seeds,
    batch=st.integers(1, 4),
    depth=st.integers(1, 70),
    units=st.integers(1, 40),
    fused=activations,
    with_bias=st.booleans(),
    per_channel=st.booleans(),
)
def test_fully_connected_is_exact(
    host_models: HostModels,
    seed: int,
    batch: int,
    depth: int,
    units: int,
    fused: int,
    with_bias: bool,
    per_channel: bool,
) -> None:
    rng = np.random.default_rng(seed)
    source = activation(rng, [batch, depth])
    filters = weights(rng, [units, depth], 0, per_channel=per_channel)
    target = spread(rng, source, filters, depth)
    target = WrittenTensor([batch, units], "int8", target.scales, target.zero_points)
    operands = [0, 1, 2] if with_bias else [0, 1, -1]
    model = write_model(
        [source, filters, bias(rng, units, source, filters), target],
        [WrittenOperator("FULLY_CONNECTED", operands, [3], {"FusedActivationFunction": fused})],
        [0],
        [3],
    )
    assert_exact(host_models, model, random_inputs(rng, source.shape))


@pytest.mark.parametrize("kind", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@random_models
@given(seed=seeds, w=windows(dilated=False), batch=st.integers(1, 2), channels=sizes, fused=activations)
def test_pooling_is_exact(
    host_models: HostModels, kind: str, seed: int, w: dict[str, int], batch: int, channels: int, fused: int
) -> None:
    rng = np.random.default_rng(seed)
    source = activation(rng, [batch, w["in_height"], w["in_width"], channels])
    target = WrittenTensor(
        [batch, w["out_height"], w["out_width"], channels], "int8", source.scales, source.zero_points
    )
    options = window_options(w, fused) | {"FilterWidth": w["window_width"], "FilterHeight": w["window_height"]}
    model = write_model([source, target], [WrittenOperator(kind, [0], [1], options)], [0], [1])
    assert_exact(host_models, model, random_inputs(rng, source.shape))


@random_models
@given(
    seed=seeds,
    shapes=st.sampled_from(
        [
            ([1, 3, 4, 5], [1, 3, 4, 5]),
            ([2, 7], [2, 7]),
            ([1, 3, 4, 5], [5]),
            ([1, 3, 4, 5], [1, 1, 1, 1]),
            ([2, 3, 1, 5], [1, 3, 4, 5]),
        ]
    ),
    fused=activations,
    constant=st.booleans(),
)
def test_add_is_exact(
    host_models: HostModels, seed: int, shapes: tuple[list[int], list[int]], fused: int, constant: bool
) -> None:
    rng = np.random.default_rng(seed)
    left, right = activation(rng, shapes[0]), activation(rng, shapes[1])
    if constant:
        right = WrittenTensor(right.shape, "int8", right.scales, right.zero_points, data=int8(rng, right.shape))
    scale = (left.scales[0] + right.scales[0]) * rng.uniform(0.3, 2)
    target = WrittenTensor(
        np.broadcast_shapes(*map(tuple, shapes)), "int8", [float(np.float32(scale))], [int(rng.integers(-128, 128))]
    )
    model = write_model(
        [left, right, target],
        [WrittenOperator("ADD", [0, 1], [2], {"FusedActivationFunction": fused})],
        [0] if constant else [0, 1],
        [2],
    )
    inputs = random_inputs(rng, *([left.shape] if constant else [left.shape, right.shape]))
    assert_exact(host_models, model, inputs)


@random_models
@given(seed=seeds, rows=st.integers(1, 4), depth=st.integers(1, 40), beta=st.sampled_from([1.0, 0.5, 2.0]))
def test_softmax_is_exact(host_models: HostModels, seed: int, rows: int, depth: int, beta: float) -> None:
    rng = np.random.default_rng(seed)
    source = activation(rng, [rows, depth])
    target = WrittenTensor([rows, depth], "int8", [1 / 256], [-128])
    model = write_model([source, target], [WrittenOperator("SOFTMAX", [0], [1], {"Beta": beta})], [0], [1])
    assert_exact(host_models, model, random_inputs(rng, source.shape))


@random_models
@given(seed=seeds, scale=st.floats(2**-10, 2.0, width=32))
def test_logistic_is_exact_on_every_byte(host_models: HostModels, seed: int, scale: float) -> None:
    zero_point = seed % 256 - 128
    source = WrittenTensor([1, 256], "int8", [scale], [zero_point])
    target = WrittenTensor([1, 256], "int8", [1 / 256], [-128])
    model = write_model([source, target], [WrittenOperator("LOGISTIC", [0], [1])], [0], [1])
    assert_exact(host_models, model, [[np.arange(-128, 128).astype(np.int8).reshape(1, 256)]])


@pytest.mark.parametrize("kind", ["MEAN", "SUM"])
@random_models
@given(
    seed=seeds,
    shape=st.lists(st.integers(1, 6), min_size=4, max_size=4),
    axes=st.sampled_from([[1, 2], [2, 1], [1], [2], [3], [-1], [1, 2, 3]]),
    keep=st.booleans(),
    same=st.booleans(),
)
def test_mean_and_sum_are_exact(
    host_models: HostModels, kind: str, seed: int, shape: list[int], axes: list[int], keep: bool, same: bool
) -> None:
    rng = np.random.default_rng(seed)
    source = activation(rng, shape)
    out = np.mean(np.zeros(shape), axis=tuple(axes), keepdims=keep).shape
    other = activation(rng, out)
    target = WrittenTensor(
        out, "int8", *((source.scales, source.zero_points) if same else (other.scales, other.zero_points))
    )
    axis = WrittenTensor([len(axes)], "int32", data=np.array(axes, np.int32))
    model = write_model([source, axis, target], [WrittenOperator(kind, [0, 1], [2], {"KeepDims": keep})], [0], [2])
    assert_exact(host_models, model, random_inputs(rng, shape))


@random_models
@given(
    seed=seeds,
    shape=st.lists(st.integers(1, 6), min_size=4, max_size=4),
    axes=st.sampled_from([[1, 2], [2, 1], [0], [1], [2], [3], [-1], [1, 2, 3], [0, 1, 2, 3]]),
    keep=st.booleans(),
)
def test_reduce_max_is_exact(host_models: HostModels, seed: int, shape: list[int], axes: list[int], keep: bool) -> None:
    """Behind another operator, whose output it may write over."""
    rng = np.random.default_rng(seed)
    source, between = activation(rng, shape), activation(rng, shape)
    out = np.max(np.zeros(shape), axis=tuple(axes), keepdims=keep).shape
    target = WrittenTensor(list(out), "int8", between.scales, between.zero_points)
    axis = WrittenTensor([len(axes)], "int32", data=np.array(axes, np.int32))
    operators = [WrittenOperator("QUANTIZE", [0], [1]), WrittenOperator("REDUCE_MAX", [1, 2], [3], {"KeepDims": keep})]
    assert_exact(
        host_models, write_model([source, between, axis, target], operators, [0], [3]), random_inputs(rng, shape)
    )


@random_models
@given(seed=seeds)
def test_requantisation_is_exact_on_every_byte(host_models: HostModels, seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = write_model(
        [activation(rng, [1, 256]), activation(rng, [1, 256])], [WrittenOperator("QUANTIZE", [0], [1])], [0], [1]
    )
    assert_exact(host_models, model, [[np.arange(-128, 128).astype(np.int8).reshape(1, 256)]])


@random_models
@given(seed=seeds)
def test_float_edges_are_exact(host_models: HostModels, seed: int) -> None:
    rng = np.random.default_rng(seed)
    inner = activation(rng, [1, 64])
    model = write_model(
        [WrittenTensor([1, 64], "float32"), inner, WrittenTensor([1, 64], "float32")],
        [WrittenOperator("QUANTIZE", [0], [1]), WrittenOperator("DEQUANTIZE", [1], [2])],
        [0],
        [2],
    )
    halves = (rng.integers(-300, 300, 32) + 0.5) * inner.scales[0]
    values = np.concatenate([halves, rng.normal(0, 100 * inner.scales[0], 32)]).astype(np.float32).reshape(1, 64)
    assert_exact(host_models, model, [[values]])
