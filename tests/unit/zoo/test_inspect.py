"""What `inspect` says about good models, and that no bytes make it fail in any other way than a ModelError."""

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import tflite
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoo.cards import catalog, load
from zoo.errors import FloatModelError, ModelError, ModelMalformedError, ModelTooLargeError, UnsupportedModelError
from zoo.inspect import MAX_MODEL_BYTES, inspect, require_int8

INT8, INT32, FLOAT32 = 9, 2, 0
ADD, FULLY_CONNECTED, RESHAPE, CUSTOM = 0, 9, 22, 32
Write = Callable[..., bytes]
NAMES = tuple(entry.name for entry in catalog())


def code_of(data: bytes) -> str:
    with pytest.raises(ModelError) as caught:
        inspect(data)
    assert caught.value.detail
    assert caught.value.remedy
    return caught.value.code


def test_the_report_of_digits_cnn_agrees_with_the_arithmetic_done_by_hand() -> None:
    data = load("digits-cnn").model
    report = inspect(data)
    assert report.sha256 == hashlib.sha256(data).hexdigest()
    assert report.size == len(data)
    assert [operator.name for operator in report.operators] == [
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "CONV_2D",
        "MAX_POOL_2D",
        "CONV_2D",
        "AVERAGE_POOL_2D",
        "RESHAPE",
        "FULLY_CONNECTED",
        "SOFTMAX",
    ]  # fmt: skip - the graph at a glance
    # 3x3x1 and 3x3 per output on 8x8x16, 1x1x16 on 8x8x32, 3x3x32 on 4x4x32, then 128 inputs to 10 outputs.
    macs = [8 * 8 * 16 * 9, 8 * 8 * 16 * 9, 8 * 8 * 32 * 16, 0, 4 * 4 * 32 * 9 * 32, 0, 0, 1280, 0]
    assert [operator.macs for operator in report.operators] == macs
    assert report.macs == sum(macs)
    weights = 16 * 9 + 16 * 9 + 32 * 16 + 32 * 9 * 32 + 1280
    biases = 16 + 16 + 32 + 32 + 10
    assert report.parameters == weights + biases
    assert report.ram_bytes == 8 * 8 * 16 + 8 * 8 * 32  # the pointwise convolution holds its input and its output
    assert weights + 4 * biases < report.flash_bytes < weights + 4 * biases + 8000
    assert report.is_int8
    assert report.inputs[0].shape == (1, 8, 8, 1)
    assert report.outputs[0].shape == (1, 10)
    assert report.outputs[0].scale == 1 / 256
    assert report.outputs[0].zero_point == -128


@pytest.mark.parametrize("name", NAMES)
def test_a_report_survives_json_and_describes_tensors_as_the_builder_contract_does(name: str) -> None:
    report = inspect(load(name).model)
    shown = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert set(shown["inputs"][0]) == {"name", "shape", "dtype", "scale", "zero_point"}
    assert shown["inputs"][0]["dtype"] == "int8"
    assert sum(shown["operator_counts"].values()) == len(shown["operators"])
    assert shown["macs"] == report.macs


def test_a_float_model_is_reported_and_then_refused_with_the_way_to_quantise_it(float_model: bytes) -> None:
    report = inspect(float_model)
    assert not report.is_int8
    assert report.inputs[0].dtype == "float32"
    assert report.inputs[0].scale is None
    assert report.macs == 4 * 8 + 8 * 2
    with pytest.raises(FloatModelError) as caught:
        require_int8(report)
    assert caught.value.code == "float_model"
    assert "int8" in caught.value.remedy
    require_int8(inspect(load("digits-cnn").model))


def test_a_file_over_the_limit_is_too_large_before_it_is_read() -> None:
    assert code_of(b"\x00" * (MAX_MODEL_BYTES + 1)) == "model_too_large"
    with pytest.raises(ModelTooLargeError, match="at most 1000 are"):
        inspect(load("digits-cnn").model, max_bytes=1000)


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\x1c\x00\x00\x00ONNX", b"PK\x03\x04 a zip file of some sort"])
def test_bytes_of_another_format_are_not_tflite(data: bytes) -> None:
    assert code_of(data) == "not_tflite"


@pytest.mark.parametrize("name", NAMES)
def test_a_file_cut_anywhere_is_refused(name: str) -> None:
    data = load(name).model
    for length in range(8, len(data) - 16, 53):
        assert code_of(data[:length]) in {"model_truncated", "model_malformed"}


def test_tensors_that_live_on_count_until_their_last_use(model: Write, tensor: type) -> None:
    # 0 -> 1 -> 2, then ADD(2, 0): the skip connection keeps tensor 0 alive while 1 (largest) becomes 2.
    weights = tensor((1000, 100), data=bytes(100_000)), tensor((100, 1000), data=bytes(100_000))
    data = model(
        tensors=[tensor((1, 100)), tensor((1, 1000)), tensor((1, 100)), tensor((1, 100)), *weights],
        operators=[(FULLY_CONNECTED, (0, 4, -1), (1,)), (FULLY_CONNECTED, (1, 5, -1), (2,)), (ADD, (2, 0), (3,))],
        outputs=(3,),
    )
    assert inspect(data).ram_bytes == 100 + 1000 + 100


def test_a_reshape_shares_its_inputs_bytes(model: Write, tensor: type) -> None:
    shape = tensor((2,), dtype=INT32, data=bytes(8), scales=())
    data = model(tensors=[tensor((1, 8, 8)), tensor((1, 64)), shape], operators=[(RESHAPE, (0, 2), (1,))])
    report = inspect(data)
    assert report.ram_bytes == 64
    assert report.parameters == 0
    assert report.is_int8


def test_a_free_batch_is_accepted_and_any_other_free_dimension_is_not(model: Write, tensor: type) -> None:
    def with_signature(*signature: int) -> bytes:
        first = tensor((1, 4), signature=signature)
        return model(tensors=[first, tensor((1, 4))], operators=[(ADD, (0, 0), (1,))])

    assert inspect(with_signature(-1, 4)).inputs[0].shape == (1, 4)
    assert code_of(with_signature(1, -1)) == "unsupported_model"


@pytest.mark.parametrize(
    ("parts", "code", "words"),
    [
        ({"operators": [(CUSTOM, (0,), (1,))]}, "unsupported_model", "custom operator 'MyOp'"),
        ({"operators": [(9999, (0,), (1,))]}, "unsupported_model", "code 9999"),
        ({"subgraphs": 2}, "unsupported_model", "2 subgraphs"),
        ({"subgraphs": 0}, "unsupported_model", "0 subgraphs"),
        ({"version": 2}, "unsupported_model", "version 2"),
        ({"buffer_fields": {1: 4096, 2: 16}}, "unsupported_model", "outside"),
        ({"operators": []}, "model_malformed", "no operator"),
        ({"operators": [(ADD, (0, 7), (1,))]}, "model_malformed", "reads tensor 7"),
        ({"operators": [(ADD, (0, -2), (1,))]}, "model_malformed", "reads tensor -2"),
        ({"operators": [(ADD, (0, 1), (1,))]}, "model_malformed", "before it is written"),
        ({"operators": [(ADD, (0, 0), (0,))]}, "model_malformed", "writes tensor 0 again"),
        ({"operators": [(ADD, (0, 0), (9,))]}, "model_malformed", "writes tensor 9"),
        ({"operators": [(ADD, (0, 0), ())]}, "model_malformed", "0 outputs"),
        ({"inputs": (5,)}, "model_malformed", "input 5"),
        ({"outputs": (-1,)}, "model_malformed", "output -1"),
        ({"outputs": ()}, "model_malformed", "no output"),
    ],
)
def test_a_graph_that_cannot_be_run_is_refused_with_the_reason(
    model: Write, tensor: type, parts: dict[str, object], code: str, words: str
) -> None:
    whole = {"tensors": [tensor((1, 4)), tensor((1, 4))], "operators": [(ADD, (0, 0), (1,))], **parts}
    with pytest.raises(ModelError, match=words) as caught:
        inspect(model(**whole))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"shape": (1, 0)}, "unsupported_model", "dynamic shape"),
        ({"shape": (1, -4)}, "unsupported_model", "dynamic shape"),
        ({"shape": (1,) * 9}, "unsupported_model", "9 dimensions"),
        ({"shape": (1 << 20, 1 << 20)}, "unsupported_model", "elements"),
        ({"dtype": 5}, "unsupported_model", "string"),
        ({"dtype": 13}, "unsupported_model", "resource"),
        ({"dtype": 77}, "unsupported_model", "type 77"),
        ({"sparse": True}, "unsupported_model", "sparse"),
        ({"data": b"abc"}, "model_truncated", "4 bytes has 3"),
        ({"data": b"abcde"}, "model_malformed", "4 bytes has 5"),
        ({"scales": (math.nan,)}, "model_malformed", "positive"),
        ({"scales": (math.inf,)}, "model_malformed", "positive"),
        ({"scales": (0.0,)}, "model_malformed", "positive"),
        ({"scales": (0.5, 0.5), "zero_points": (0, 0)}, "model_malformed", "2 scales for 1 slices"),
        ({"scales": (0.5,), "zero_points": ()}, "model_malformed", "0 zero points"),
        ({"scales": (0.5,), "zero_points": (1 << 40,)}, "model_malformed", "32-bit zero point"),
        ({"scales": ()}, "unsupported_model", "has no scale"),
    ],
)
def test_a_tensor_that_makes_no_sense_is_refused_with_the_reason(
    model: Write, tensor: type, fields: dict[str, object], code: str, words: str
) -> None:
    whole = {"shape": (1, 4), **fields}
    with pytest.raises(ModelError, match=words) as caught:
        inspect(model(tensors=[tensor(**whole), tensor((1, 4))], operators=[(ADD, (0, 0), (1,))]))
    assert caught.value.code == code


DEQUANTIZE, QUANTIZE, NEG = 6, 114, 59


@pytest.mark.parametrize(("steps", "is_int8"), [(1, True), (2, False)])
def test_a_single_operator_in_float_between_two_quantisations_leaves_an_int8_model(
    steps: int, is_int8: bool, model: Write, tensor: type
) -> None:
    stored, real = tensor((1, 4)), tensor((1, 4), dtype=FLOAT32, scales=())
    data = model(
        tensors=[stored, stored, *[real] * (steps + 1)],
        operators=[
            (DEQUANTIZE, (0,), (2,)),
            *((NEG, (2 + step,), (3 + step,)) for step in range(steps)),
            (QUANTIZE, (2 + steps,), (1,)),
        ],
        outputs=(1,),
    )
    assert inspect(data).is_int8 is is_int8


def test_a_float_weight_between_two_quantisations_makes_the_model_no_int8_model(model: Write, tensor: type) -> None:
    stored, real = tensor((1, 4)), tensor((1, 4), dtype=FLOAT32, scales=())
    weight = tensor((1, 4), dtype=FLOAT32, scales=(), data=bytes(16))
    data = model(
        tensors=[stored, stored, real, real, weight],
        operators=[(DEQUANTIZE, (0,), (2,)), (ADD, (2, 4), (3,)), (QUANTIZE, (3,), (1,))],
        outputs=(1,),
    )
    assert not inspect(data).is_int8


def test_float_edges_with_int8_between_them_make_an_int8_model(model: Write, tensor: type) -> None:
    edge = tensor((1, 4), dtype=FLOAT32, scales=())
    data = model(
        tensors=[edge, tensor((1, 4)), tensor((1, 4)), edge],
        operators=[(QUANTIZE, (0,), (1,)), (ADD, (1, 1), (2,)), (DEQUANTIZE, (2,), (3,))],
        outputs=(3,),
    )
    assert inspect(data).is_int8


def test_a_small_file_that_describes_an_enormous_graph_is_refused(model: Write, tensor: type) -> None:
    wide = (ADD, (0,) * 1024, (1,))
    data = model(tensors=[tensor((1, 4)), tensor((1, 4))], operators=[wide], operator_repeats=4096)
    assert len(data) < 50_000
    with pytest.raises(ModelMalformedError, match="elements"):
        inspect(data)
    with pytest.raises(ModelMalformedError, match="longer"):
        inspect(model(tensors=[tensor((1, 4)), tensor((1, 4))], operators=[wide], operator_repeats=4097))


def check(data: bytes) -> None:
    """The one promise: a report or a ModelError."""
    try:
        report = inspect(data)
    except ModelError:
        return
    json.dumps(report.to_json(), allow_nan=False)


@given(st.binary(max_size=600))
def test_random_bytes_give_a_report_or_a_model_error(data: bytes) -> None:
    check(data)
    check(data[:4] + b"TFL3" + data[4:])


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(NAMES),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
    extreme=st.booleans(),
)
def test_mutated_models_give_a_report_or_a_model_error(
    name: str, changes: list[tuple[float, int]], extreme: bool
) -> None:
    data = bytearray(load(name).model)
    for place, value in changes:
        # Structure lives at both ends of the file; the weights between them break nothing.
        at = int(place * 1200) - 600 if extreme else int(place * (len(data) - 1))
        data[at] = value
    check(bytes(data))


def test_every_32_bit_word_of_a_model_may_hold_an_extreme_value() -> None:
    data = load("hello-world-sine").model
    for at in range(0, len(data) - 4, 4):
        for value in (b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x00"):
            check(data[:at] + value + data[at + 4 :])


def test_an_input_of_several_scales_is_unsupported(model: Write, tensor: type) -> None:
    several = tensor((2, 4), scales=(0.5, 0.25), zero_points=(0, 0))
    with pytest.raises(UnsupportedModelError, match="several scales"):
        inspect(model(tensors=[several, tensor((2, 4))], operators=[(ADD, (0, 0), (1,))]))


STATEFUL = Path(__file__).parents[1] / "compiler" / "models"


@pytest.mark.parametrize(
    ("name", "state", "macs"),
    [
        ("lstm", 10 * (1 + 2), 8 * 10 * 4 * (6 + 10) + 240),  # hidden state and 16-bit cell of ten units
        ("streaming", 4 * 6, 5 * 6 * 10 + 30),  # four frames of six features
        ("recurrent", 10, 6 * 10 + 10 * 10 + 30),
    ],
)
def test_state_is_part_of_the_memory_that_a_model_needs(name: str, state: int, macs: int) -> None:
    report = inspect((STATEFUL / f"{name}.tflite").read_bytes())
    assert report.is_int8
    assert report.is_stateful
    assert report.ram_bytes > state
    assert report.macs == macs


def test_the_answers_of_a_model_without_state_depend_on_nothing_before(float_model: bytes) -> None:
    assert not inspect(float_model).is_stateful


def test_a_subgraph_that_calls_itself_is_malformed() -> None:
    """Native code would follow it without end."""
    data = bytearray((STATEFUL / "streaming.tflite").read_bytes())
    parsed = tflite.Model.GetRootAs(data).Subgraphs(0).Operators(0)
    options = tflite.CallOnceOptions()
    table = parsed.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    assert options.InitSubgraphIndex() == 1
    place = table.Pos + table.Offset(4)
    data[place : place + 4] = bytes(4)
    with pytest.raises(ModelError, match=r"calls the subgraphs \[0\] of 2"):
        inspect(bytes(data))
