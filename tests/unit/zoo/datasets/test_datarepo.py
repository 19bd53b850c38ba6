"""The pair of nnstreamer's datareposrc, as source document 000 has it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from zoo.datasets.datarepo import parse_description
from zoo.datasets.errors import DatasetError, MisfitError, UnreadableUploadError

MNIST = """
{
  "gst_caps":"other/tensors, format=(string)static, framerate=(fraction)30/1, num_tensors=(int)2, dimensions=(string)28:28:1:1.10:1:1:1, types=(string)float32.float32",
  "total_samples":1000,
  "sample_size":3176
}
"""  # noqa: E501 - as the document has it


def pair(count: int = 20, **changes: Any) -> dict[str, bytes]:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (count, 784)).astype("<f4")
    labels = np.eye(10, dtype="<f4")[np.arange(count) % 10]
    document = {**json.loads(MNIST), "total_samples": count, **changes}
    return {"mnist.data": np.hstack([pixels, labels]).tobytes(), "mnist.json": json.dumps(document).encode()}


def test_the_description_of_document_000_is_understood() -> None:
    description = parse_description(MNIST.encode())
    assert [tensor.shape for tensor in description.tensors] == [(1, 1, 28, 28), (1, 1, 1, 10)]
    assert (description.total_samples, description.sample_size) == (1000, 3176)


def test_the_pair_gives_pictures_and_their_classes_unscaled(read: Any, values: Any) -> None:
    files = pair()
    batch = read(files)
    assert (batch.schema.kind, batch.schema.shape, batch.schema.dtype) == ("image", (28, 28, 1), "float32")
    assert batch.schema.labels == tuple("0123456789")
    assert [sample.label for sample in batch.samples[:3]] == ["0", "1", "2"]
    np.testing.assert_array_equal(values(batch)[3].ravel(), np.frombuffer(files["mnist.data"], "<f4")[3 * 794 :][:784])


def test_the_planes_of_a_coloured_picture_become_channels_of_its_pixels(read: Any, values: Any) -> None:
    planes = np.arange(2 * 3 * 4, dtype="<f4")  # two planes of three lines of four
    caps = "other/tensors,format=static,num_tensors=1,dimensions=4:3:2:1,types=float32"
    files = {
        "a.data": planes.tobytes(),
        "a.json": json.dumps({"gst_caps": caps, "total_samples": 1, "sample_size": 96}).encode(),
    }
    batch = read(files)
    assert batch.schema.shape == (3, 4, 2)
    assert values(batch)[0, 1, 2].tolist() == [6.0, 18.0]


def test_a_second_tensor_that_is_not_one_hot_is_a_target(read: Any) -> None:
    caps = "other/tensors,format=static,num_tensors=2,dimensions=4:1:1:1.2:1:1:1,types=int16.float64"
    record = np.zeros(3, [("x", "<i2", 4), ("y", "<f8", 2)])
    record["y"] = [[0.5, 1], [2, 3], [4, 5]]
    files = {
        "a.data": record.tobytes(),
        "a.json": json.dumps({"gst_caps": caps, "total_samples": 3, "sample_size": 24}).encode(),
    }
    batch = read(files)
    assert (batch.schema.kind, batch.schema.dtype, batch.schema.targets) == (
        "tabular",
        "int16",
        ("target_0", "target_1"),
    )


def test_a_broken_label_or_pixel_is_set_aside(read: Any) -> None:
    files = pair()
    records = np.frombuffer(files["mnist.data"], "<f4").reshape(20, 794).copy()
    records[4, 784:] = 0
    records[5, 784] = np.nan
    records[6, 0] = np.inf
    batch = read({**files, "mnist.data": records.tobytes()})
    assert [row.place for row in batch.rejections] == ["sample 4", "sample 5", "sample 6"]
    assert len(batch.samples) == 17


def test_a_description_that_promises_a_terabyte_is_compared_with_the_file(read: Any) -> None:
    with pytest.raises(UnreadableUploadError, match="has 63520 bytes; 400000000 samples") as caught:
        read({**pair(), "mnist.json": json.dumps({**json.loads(MNIST), "total_samples": 400_000_000}).encode()})
    assert caught.value.field == "json.total_samples"


@pytest.mark.parametrize("length", [-1, -3176, 1])
def test_a_file_of_another_length_is_refused(read: Any, length: int) -> None:
    files = pair()
    data = files["mnist.data"][:length] if length < 0 else files["mnist.data"] + b"x"
    with pytest.raises(UnreadableUploadError, match=r"The \.data has"):
        read({**files, "mnist.data": data})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sample_size": 3175}, "json.sample_size"),
        ({"sample_size": "3176"}, "json.sample_size"),
        ({"total_samples": 0}, "json.total_samples"),
        ({"total_samples": 1.5}, "json.total_samples"),
        ({"total_samples": 2**60}, "json.total_samples"),
        ({"gst_caps": 5}, "json.gst_caps"),
        ({"gst_caps": "video/x-raw, width=28"}, "json.gst_caps"),
        (
            {"gst_caps": "other/tensors, format=(string)sparse, num_tensors=1, dimensions=1, types=uint8"},
            "json.gst_caps",
        ),
        ({"gst_caps": "other/tensors, num_tensors=2, dimensions=28:28, types=float32"}, "json.gst_caps"),
        ({"gst_caps": "other/tensors, num_tensors=1, dimensions=28:0, types=float32"}, "json.gst_caps"),
        ({"gst_caps": "other/tensors, num_tensors=1, dimensions=28:x, types=float32"}, "json.gst_caps"),
        ({"gst_caps": "other/tensors, num_tensors=1, dimensions=28, types=complex"}, "json.gst_caps"),
        (
            {"gst_caps": "other/tensors, num_tensors=1, dimensions=9999999:9999999:9999999:9999999, types=uint8"},
            "json.sample_size",
        ),
    ],
)
def test_a_description_that_is_wrong_names_its_key(read: Any, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(DatasetError) as caught:
        read(pair(**changes))
    assert caught.value.field == field


def test_one_half_of_the_pair_and_other_pairs_are_refused(read: Any) -> None:
    files = pair()
    for half in ({"mnist.data": files["mnist.data"]}, {"a.csv": b"1\n", "b.csv": b"2\n"}):
        with pytest.raises(UnreadableUploadError):
            read(half)
    with pytest.raises(UnreadableUploadError, match="two files"):
        read({"mnist.json": files["mnist.json"]}, format_="datarepo")


def test_more_than_two_tensors_are_refused(read: Any) -> None:
    caps = "other/tensors,num_tensors=3,dimensions=1.1.1,types=uint8.uint8.uint8"
    with pytest.raises(MisfitError, match="3 tensors"):
        read(
            {"a.data": b"abc", "a.json": json.dumps({"gst_caps": caps, "total_samples": 1, "sample_size": 3}).encode()}
        )
