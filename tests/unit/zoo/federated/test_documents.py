"""The two documents: what is written is read again within each form's error, and everything else is refused by name."""

from __future__ import annotations

import tracemalloc

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from zoo.federated.documents import (
    FORMS,
    Form,
    Limits,
    Update,
    decode_model,
    decode_update,
    encode_model,
    encode_update,
    most_bytes,
)
from zoo.federated.errors import ModelRefused, Refusal, UnencodableError, UpdateRefused
from zoo.federated.parameters import Parameter, Parameters, Weights, weights_sha256

HEAD = Parameters([Parameter("dense/kernel", (3, 2)), Parameter("dense/bias", (2,))])
WEIGHTS: Weights = (
    np.array([[0.5, -1.0], [2.0, 0.25], [-0.125, 3.0]], np.float32),
    np.array([0.0, -4.0], np.float32),
)
BASE = bytes(range(32))
UPDATE = Update(3, BASE, 40, WEIGHTS, 0.75)
LIMITS = Limits(max_samples=1000)

Document = dict[str, object]
FINITE = st.floats(-65504, 65504, width=32)


def document(**changes: object) -> Document:
    """The update as a general CBOR library sees it, changed."""
    kernel, bias = (cbor2.CBORTag(85, array.tobytes()) for array in WEIGHTS)
    whole: Document = {"round": 3, "base": BASE, "samples": 40, "weights": [kernel, bias], "loss": 0.75}
    return {**whole, **changes}


def refusal(data: bytes, limits: Limits = LIMITS) -> UpdateRefused:
    with pytest.raises(UpdateRefused) as caught:
        decode_update(data, HEAD, limits)
    assert caught.value.detail
    assert caught.value.remedy
    return caught.value


def test_an_update_is_the_map_of_the_protocol_and_any_cbor_library_reads_it() -> None:
    read = cbor2.loads(encode_update(UPDATE))
    assert (read["round"], read["base"], read["samples"], read["loss"]) == (3, BASE, 40, 0.75)
    assert read["weights"][0] == cbor2.CBORTag(85, WEIGHTS[0].astype("<f4").tobytes())


def test_an_update_that_another_cbor_library_wrote_is_read() -> None:
    update = decode_update(cbor2.dumps(document()), HEAD, LIMITS)
    assert (update.round, update.base, update.samples, update.loss) == (3, BASE, 40, 0.75)
    for read, written in zip(update.weights, WEIGHTS, strict=True):
        np.testing.assert_array_equal(read, written)


def test_a_board_may_stream_maps_and_arrays_of_indefinite_length() -> None:
    kernel, bias = (cbor2.dumps(cbor2.CBORTag(85, array.tobytes())) for array in WEIGHTS)
    streamed = (
        b"\xbf"
        + b"\x67weights\x9f"
        + kernel
        + bias
        + b"\xff"
        + b"\x65round\x03"
        + b"\x67samples\x18\x28"
        + b"\x64base\x58\x20"
        + BASE
        + b"\xff"
    )  # fmt: skip - one entry of the map after the other
    update = decode_update(streamed, HEAD, LIMITS)
    assert (update.round, update.samples, update.loss) == (3, 40, None)
    np.testing.assert_array_equal(update.weights[1], WEIGHTS[1])


@pytest.mark.parametrize("form", FORMS)
@given(
    weights=st.tuples(arrays(np.float32, (3, 2), elements=FINITE), arrays(np.float32, (2,), elements=FINITE)),
    samples=st.integers(1, 1000),
    loss=st.none() | st.floats(allow_nan=False, allow_infinity=False),
)
def test_what_is_written_is_read_within_the_error_of_its_form(
    form: Form, weights: Weights, samples: int, loss: float | None
) -> None:
    written = Update(7, BASE, samples, weights, loss)
    read = decode_update(encode_update(written, form), HEAD, LIMITS)
    assert (read.round, read.base, read.samples, read.loss) == (7, BASE, samples, loss)
    model = decode_model(encode_model("fed_1", 7, weights, form), HEAD)
    assert (model.federation, model.round) == ("fed_1", 7)
    for array, of_update, of_model in zip(weights, read.weights, model.weights, strict=True):
        error = {
            "float32": 0.0,
            # Half of the last of 11 bits; below 2^-14 float16 has steps of 2^-24.
            "float16": np.maximum(np.abs(array) * 2.0**-11, 2.0**-25),
            # Half a step of the scale, and what float32 rounds.
            "int8": np.abs(array).max() / 127 * 0.5 * (1 + 1e-5) + 1e-43,
        }[form]
        assert np.all(np.abs(of_update.astype(np.float64) - array) <= error)
        np.testing.assert_array_equal(of_update, of_model)
        assert of_update.dtype == np.float32


def test_the_largest_float32_goes_into_int8_and_comes_back_finite() -> None:
    most = np.finfo(np.float32).max
    weights = (np.full((3, 2), most, np.float32), np.array([-most, 1.0], np.float32))
    read = decode_update(encode_update(Update(1, BASE, 1, weights), "int8"), HEAD, LIMITS)
    assert read.weights[0][0, 0] == pytest.approx(most, rel=1e-6)


def test_int8_is_a_quarter_of_float32() -> None:
    parameters = Parameters([Parameter("kernel", (100, 10)), Parameter("bias", (10,))])
    weights = tuple(np.ones(item.shape, np.float32) for item in parameters)
    sizes = {form: len(encode_update(Update(1, BASE, 1, weights), form)) for form in FORMS}
    assert parameters.bytes == 4040
    assert sizes["float32"] - 4040 < 100
    assert sizes["float16"] - 2020 < 100
    assert sizes["int8"] - 1010 < 140


def test_the_base_of_a_model_is_the_sha256_of_its_little_endian_floats() -> None:
    # printf '\x00\x00\x80\x3f\x00\x00\x00\xc0' | sha256sum
    weights = (np.array([[1.0]], np.float32), np.array([-2.0], np.float32))
    assert weights_sha256(weights).hex() == "ee4ac73c2bd27756ab82780f27c73a7bc4d3f0bb6acb37e008bc27eccd7e588b"


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"weights": [cbor2.CBORTag(85, bytes(24))]}, Refusal.WRONG_SHAPE, "1 arrays; the federation has 2"),
        ({"weights": [cbor2.CBORTag(85, bytes(24))] * 3}, Refusal.WRONG_SHAPE, "3 entries"),
        ({"weights": [cbor2.CBORTag(85, bytes(24))] * 2}, Refusal.WRONG_SHAPE, "dense/bias has 24 bytes; [2]"),
        ({"weights": [cbor2.CBORTag(84, bytes(24))] * 2}, Refusal.WRONG_SHAPE, "dense/kernel has 24 bytes"),
        ({"weights": [[0.5] * 6, [0.0] * 2]}, Refusal.MALFORMED, "dense/kernel is an array"),
        ({"weights": [cbor2.CBORTag(81, bytes(24))] * 2}, Refusal.MALFORMED, "tag 81"),
        ({"weights": [cbor2.CBORTag(85, "text")] * 2}, Refusal.MALFORMED, "a text"),
        ({"weights": [{"scale": 1.0}] * 2}, Refusal.MALFORMED, "lacks scale or values"),
        ({"weights": [{"scale": 1.0, "values": bytes(6)}] * 2}, Refusal.MALFORMED, "a tag is expected"),
        ({"weights": [{"scale": 1.0, "values": cbor2.CBORTag(64, bytes(6))}] * 2}, Refusal.MALFORMED, "another tag"),
        ({"weights": [{"scale": 0.0, "values": cbor2.CBORTag(72, bytes(6))}] * 2}, Refusal.NOT_FINITE, "scale"),
        ({"weights": [{"scale": 1e300, "values": cbor2.CBORTag(72, bytes(6))}] * 2}, Refusal.NOT_FINITE, "scale"),
        ({"weights": [{"scale": 3e38, "values": cbor2.CBORTag(72, b"\x7f" * 6)}] * 2}, Refusal.NOT_FINITE, "kernel"),
        ({"weights": {}}, Refusal.MALFORMED, "weights is a map"),
        ({"round": -1}, Refusal.MALFORMED, "round is a negative number"),
        ({"round": 1.0}, Refusal.MALFORMED, "round"),
        ({"round": 2**32}, Refusal.MALFORMED, "at most 4294967295"),
        ({"round": cbor2.CBORTag(2, bytes(9))}, Refusal.MALFORMED, "a tag"),
        ({"base": bytes(31)}, Refusal.MALFORMED, "32 bytes"),
        ({"base": bytes(40)}, Refusal.MALFORMED, "32 bytes"),
        ({"base": "0" * 32}, Refusal.MALFORMED, "a text"),
        ({"samples": 0}, Refusal.NO_SAMPLES, "0 samples"),
        ({"samples": -5}, Refusal.MALFORMED, "a negative number"),
        ({"samples": 1001}, Refusal.TOO_MANY_SAMPLES, "at most 1000"),
        ({"samples": 2**64 - 1}, Refusal.TOO_MANY_SAMPLES, "at most 1000"),
        ({"loss": float("nan")}, Refusal.NOT_FINITE, "loss"),
        ({"loss": float("inf")}, Refusal.NOT_FINITE, "loss"),
        ({"loss": None}, Refusal.MALFORMED, "loss"),
        ({"images": [1, 2, 3]}, Refusal.MALFORMED, "has 6 entries"),
    ],
)
def test_an_update_that_says_something_wrong_is_refused_by_name(changes: Document, code: Refusal, words: str) -> None:
    caught = refusal(cbor2.dumps(document(**changes)))
    assert caught.code == code
    assert words in caught.detail


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("tag", "kind"), [(85, "<f4"), (84, "<f2")])
def test_a_weight_that_is_no_number_is_refused_with_its_parameter(value: float, tag: int, kind: str) -> None:
    kernel = np.zeros(6, kind)
    kernel[4] = value
    caught = refusal(cbor2.dumps(document(weights=[cbor2.CBORTag(tag, kernel.tobytes())] * 2)))
    assert caught.code == Refusal.NOT_FINITE
    assert "dense/kernel" in caught.detail


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "ends"),
        (b"\xa5", "ends"),
        (b"\x80", "the update is an array"),
        (b"\xa0", "lacks one of"),
        (b"\xbf", "ends"),
        (b"\xbf\xff", "lacks one of"),
        (b"\xa1\x01\x02", "a key of the update is a number"),
        (b"\xa1\x62\xc3\x28\x00", "UTF-8"),
        (b"\xa1\x64data\x00", "a key 'data'; there are round, base"),
        (b"\xa2\x65round\x01\x65round\x02", "twice"),
        (b"\xa1\x65round\x1c", "reserved"),
        (b"\xa1\x65round\x1f", "none where one is needed"),
        (b"\xa1\x64base\x5f\x41\x00\xff", "none where one is needed"),
        (b"\xa1\x64base\x5b" + b"\xff" * 8, "ends within base"),
        (b"\xa1\x7b" + b"\xff" * 8, "it has at most"),
        (b"\xbb" + b"\xff" * 8, "18446744073709551615 entries"),
        (b"\xa1\x67weights\x9b" + b"\xff" * 8, "18446744073709551615 entries"),
        (b"\xa1\x67weights" + b"\x81" * 400, "dense/kernel is an array"),
        (cbor2.dumps(document()) + b"\x00", "1 bytes follow"),
        (cbor2.dumps(document())[:-1], "ends"),
    ],
)
def test_bytes_that_are_no_update_are_refused_with_the_place(data: bytes, words: str) -> None:
    caught = refusal(data)
    assert caught.code in {Refusal.MALFORMED, Refusal.WRONG_SHAPE}
    assert words in caught.detail


def test_an_endless_streamed_array_stops_at_the_first_parameter_too_many() -> None:
    kernel, bias = (cbor2.dumps(cbor2.CBORTag(85, array.tobytes())) for array in WEIGHTS)
    caught = refusal(b"\xa1\x67weights\x9f" + kernel + bias + bias + b"\xff")
    assert caught.code == Refusal.WRONG_SHAPE
    assert "more than 2" in caught.detail


def test_an_update_longer_than_any_of_these_parameters_is_not_looked_at() -> None:
    caught = refusal(bytes(most_bytes(HEAD) + 1))
    assert caught.code == Refusal.TOO_LARGE
    assert str(most_bytes(HEAD)) in caught.detail


def outcome(data: bytes) -> Update | None:
    """What is read; None for a refusal. Anything else that is raised fails the test."""
    try:
        return decode_update(data, HEAD, LIMITS)
    except UpdateRefused:
        return None


@given(st.binary(max_size=300))
def test_any_bytes_are_no_update_by_chance_and_refused(data: bytes) -> None:
    assert outcome(data) is None


@settings(max_examples=400)
@given(data=st.data())
def test_an_update_with_some_bytes_changed_is_a_good_update_or_refused(data: st.DataObject) -> None:
    body = bytearray(encode_update(UPDATE, data.draw(st.sampled_from(FORMS))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        match data.draw(st.sampled_from(("change", "remove", "insert"))):
            case "change":
                body[at] = data.draw(st.integers(0, 255))
            case "remove":
                del body[at]
            case _:
                body[at:at] = data.draw(st.binary(min_size=1, max_size=9))
    read = outcome(bytes(body))
    if read is not None:
        assert 1 <= read.samples <= LIMITS.max_samples
        assert [array.shape for array in read.weights] == [(3, 2), (2,)]
        assert all(np.isfinite(array).all() for array in read.weights)


@pytest.mark.parametrize("form", FORMS)
def test_reading_takes_memory_for_the_weights_and_no_more(form: Form) -> None:
    parameters = Parameters([Parameter("kernel", (500, 500)), Parameter("bias", (500,))])
    weights = tuple(np.full(item.shape, 0.5, np.float32) for item in parameters)
    body = encode_update(Update(1, BASE, 1, weights), form)
    promising = b"\xa1\x67weights\x82\xd8\x55\x5b" + (10**12).to_bytes(8, "big") + bytes(1000)
    tracemalloc.start()
    try:
        decode_update(body, parameters, LIMITS)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        with pytest.raises(UpdateRefused):
            decode_update(promising, parameters, LIMITS)
        _, peak_of_lie = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The float32 values, and one byte for each where they are looked through.
    assert peak < parameters.bytes * 1.25 + 64 * 1024
    assert peak_of_lie < 64 * 1024


def test_a_model_that_is_none_is_refused_at_the_client_with_a_way_out() -> None:
    for data in (b"\xa0", encode_update(UPDATE), encode_model("f" * 65, 1, WEIGHTS)):
        with pytest.raises(ModelRefused) as caught:
            decode_model(data, HEAD)
        assert caught.value.code == "malformed_model"
        assert "Fetch it again" in caught.value.remedy


def test_weights_that_do_not_go_into_a_form_are_not_written() -> None:
    large = (np.full((3, 2), 70000.0, np.float32), WEIGHTS[1])
    with pytest.raises(UnencodableError, match="70000"):
        encode_model("fed_1", 1, large, "float16")
    broken = (np.full((3, 2), np.nan, np.float32), WEIGHTS[1])
    for form in FORMS:
        with pytest.raises(UnencodableError, match="no numbers"):
            encode_update(Update(1, BASE, 1, broken), form)
