"""Edge Impulse's acquisition format: windows of recordings, signatures, and messages that promise too much."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from typing import Any

import cbor2
import pytest

from zoo.datasets.acquisition import label_of_file
from zoo.datasets.errors import BadSignatureError, DatasetError, MisfitError, UnreadableUploadError, UploadTooLargeError
from zoo.datasets.rows import Limits

KEY = "a-key-of-the-device"


def message(readings: int = 6, **payload: Any) -> dict[str, Any]:
    return {
        "protected": {"ver": "v1", "alg": "none", "iat": 1767225600},
        "signature": "0" * 64,
        "payload": {
            "device_name": "ac:87:a3:0a:2d:1b",
            "device_type": "DISCO-L475VG-IOT01A",
            "interval_ms": 10,
            "sensors": [{"name": "accX", "units": "m/s2"}, {"name": "accY", "units": "m/s2"}],
            "values": [[number, -number / 2] for number in range(readings)],
            **payload,
        },
    }


def signed(key: str = KEY, *, binary: bool = False) -> bytes:
    document = message()
    document["protected"]["alg"] = "HS256"
    encode = cbor2.dumps if binary else lambda value: json.dumps(value).encode()
    signature = hmac.new(key.encode(), encode(document), hashlib.sha256).hexdigest()
    return encode({**document, "signature": signature})


def test_a_recording_is_one_sample_with_its_sensors(read: Any, values: Any) -> None:
    batch = read(json.dumps(message()).encode(), label="wave")
    assert (batch.schema.kind, batch.schema.shape) == ("series", (6, 2))
    assert (batch.schema.features, batch.schema.interval_ms) == (("accX", "accY"), 10.0)
    assert [sample.label for sample in batch.samples] == ["wave"]
    assert values(batch)[0, 3].tolist() == [3.0, -1.5]


def test_cbor_says_the_same(read: Any) -> None:
    in_json, in_cbor = read(json.dumps(message()).encode()), read(cbor2.dumps(message()))
    assert in_cbor.schema == in_json.schema
    assert in_cbor.samples[0].sha256 == in_json.samples[0].sha256


def test_windows_of_a_recording_overlap_as_asked_and_are_one_group(read: Any, values: Any) -> None:
    batch = read(json.dumps(message(7)).encode(), window=4, stride=2)
    assert batch.schema.shape == (4, 2)
    assert values(batch)[:, 0, 0].tolist() == [0.0, 2.0]
    assert len({sample.origin for sample in batch.samples}) == 1
    assert [(row.place, row.reason) for row in batch.rejections] == [
        ("readings 6-6", "They are fewer than a window of 4.")
    ]


def test_a_window_longer_than_the_recording_is_refused(read: Any) -> None:
    with pytest.raises(MisfitError, match="6 readings, and a window takes 7"):
        read(json.dumps(message()).encode(), window=7)


def test_one_reading_is_a_row_of_a_table(read: Any) -> None:
    batch = read(json.dumps(message(1)).encode())
    assert (batch.schema.kind, batch.schema.shape, batch.schema.interval_ms) == ("tabular", (2,), None)


def test_the_device_may_be_the_group(read: Any) -> None:
    batch = read(json.dumps(message()).encode(), group_column="device_name")
    assert batch.samples[0].origin == "ac:87:a3:0a:2d:1b"


def test_one_sensor_may_send_plain_numbers(read: Any) -> None:
    assert read(json.dumps(message(values=[1, 2.5, 3], sensors=[{"name": "mic"}])).encode()).schema.shape == (3, 1)


def test_the_label_may_be_in_the_files_name(read: Any) -> None:
    data = json.dumps(message()).encode()
    assert read(data, "idle.1a2b.json").samples[0].label == "idle"
    assert read(data, "idle.1a2b.json", label="wave").samples[0].label == "wave"
    assert read(data, "idle.1a2b.json", label_from_name=False).samples[0].label is None
    assert [label_of_file(name) for name in ("left turn.json", "../x", "")] == ["left turn", None, None]


@pytest.mark.parametrize("binary", [False, True])
def test_a_signature_under_the_datasets_key_is_accepted(read: Any, binary: bool) -> None:
    assert len(read(signed(binary=binary), key=KEY).samples) == 1


@pytest.mark.parametrize(
    "data",
    [
        signed("another-key"),
        signed().replace(b"-0.5", b"-9.5"),
        json.dumps(message()).encode(),
        json.dumps({**message(), "protected": {"ver": "v1", "alg": "HS256"}, "signature": "é"}).encode(),
        signed().replace(b"DISCO-L475VG-IOT01A", json.loads(signed())["signature"].encode()),
    ],
)
def test_with_a_key_nothing_unsigned_or_changed_comes_in(read: Any, data: bytes) -> None:
    with pytest.raises(BadSignatureError):
        read(data, key=KEY)


def test_readings_that_are_not_finite_are_set_aside(read: Any) -> None:
    values = [[1, 2], [3, float("nan")], [5, 6], [7, 10**400]]
    batch = read(json.dumps(message(values=values)).encode(), window=1)
    assert len(batch.samples) == 2
    assert {row.reason for row in batch.rejections} == {"It has NaN or infinity."}


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"interval_ms": "10"}, "body.payload.interval_ms"),
        ({"interval_ms": -1}, "body.payload.interval_ms"),
        ({"interval_ms": True}, "body.payload.interval_ms"),
        ({"sensors": []}, "body.payload.sensors"),
        ({"sensors": [{"units": "m"}]}, "body.payload.sensors[0]"),
        ({"sensors": [{"name": "x", "units": 1}]}, "body.payload.sensors[0]"),
        ({"device_type": 5}, "body.payload.device_type"),
        ({"sensors": "accX"}, "body.payload.sensors"),
        ({"values": []}, "body.payload.values"),
        ({"values": {"0": [1, 2]}}, "body.payload.values"),
        ({"values": [[1, 2], [1]]}, "body.payload.values[1]"),
        ({"values": [[1, "2"]]}, "body.payload.values[0]"),
        ({"values": [[1, True]]}, "body.payload.values[0]"),
        ({"values": ["Ref-BINARY-i16"]}, "body.payload.values[0]"),
    ],
)
def test_a_malformed_payload_names_the_field(read: Any, payload: dict[str, Any], field: str) -> None:
    with pytest.raises(UnreadableUploadError) as caught:
        read(json.dumps(message(**payload)).encode())
    assert caught.value.field == field


def test_json_that_nests_without_end_is_refused(read: Any) -> None:
    for data in (b'{"protected":' * 100_000, b'{"a":' + b"[" * 100_000, b'{"a":1' + b"0" * 5000 + b"}"):
        with pytest.raises(UnreadableUploadError):
            read(data)


def test_a_message_of_too_many_bytes_is_refused(read: Any) -> None:
    with pytest.raises(UploadTooLargeError, match="100 are allowed"):
        read(json.dumps(message()).encode(), limits=Limits(document_bytes=100))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\xa1\x61a\x9b\x00\x00\x00\xff\xff\xff\xff\xff", "items are promised"),
        (b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff", "items are promised"),
        (b"\xa1\x61a\x5b\x7f\xff\xff\xff\xff\xff\xff\xff", "ends at byte"),
        (b"\xa1\x61a" + b"\x81" * 100 + b"\x00", "nest too deep"),
        (b"\xa1\x61a\xc4\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x01", "a tag"),
        (b"\xa1\x61a\x9f\x01\xff", "indefinite"),
        (b"\xa1\x61a", "an item is missing"),
        (b"\xa1\x61a\x01\x01", "bytes follow"),
        (b"\xa1\x61a\xf7", "a tag or a simple value"),
        (b"\xa1\x61\xff\x01", "cannot be decoded"),
        (b"\xa1\x81\x01\x01", "cannot be decoded|no .protected."),
    ],
)
def test_cbor_is_walked_before_it_is_decoded(read: Any, data: bytes, problem: str) -> None:
    with pytest.raises(UnreadableUploadError, match=problem):
        read(data, "x.cbor")


def test_random_damage_is_refused_or_harmless(read: Any) -> None:
    rng = random.Random(3)
    for whole, name in ((json.dumps(message()).encode(), "x.json"), (cbor2.dumps(message()), "x.cbor")):
        for _ in range(500):
            data = bytearray(whole)
            for _ in range(rng.randint(1, 5)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            try:
                batch = read(bytes(data), name)
            except DatasetError:
                continue
            assert batch.samples
