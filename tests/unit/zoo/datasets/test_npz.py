"""NumPy archives: arrays become samples, and nothing in them is run, believed or allocated unseen."""

from __future__ import annotations

import io
import os
import pickle
import random
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.datasets.errors import (
    DatasetError,
    MisfitError,
    NothingAcceptedError,
    UnreadableUploadError,
    UploadTooLargeError,
)
from zoo.datasets.rows import Limits

X = np.arange(24, dtype=np.float64).reshape(4, 3, 2)


def test_samples_labels_and_groups_are_read(read: Any, npz: Any, values: Any) -> None:
    batch = read(npz(x=X, y=np.array([1, 0, 1, 10]), group=np.array(["a", "a", "b", "b"])))
    assert (batch.schema.kind, batch.schema.shape, batch.schema.dtype) == ("series", (3, 2), "float32")
    assert batch.schema.labels == ("0", "1", "10")
    assert [(sample.label, sample.origin) for sample in batch.samples] == [
        ("1", "a"),
        ("0", "a"),
        ("1", "b"),
        ("10", "b"),
    ]
    np.testing.assert_array_equal(values(batch), X)


def test_bytes_without_channels_are_grey_pictures(read: Any, npz: Any) -> None:
    batch = read(
        npz(x_train=np.zeros((3, 8, 8), np.uint8), y_train=[0, 1, 2], x_test=np.ones((1, 8, 8), np.uint8), y_test=[0])
    )
    assert (batch.schema.kind, batch.schema.shape, batch.schema.dtype) == ("image", (8, 8, 1), "uint8")
    assert [sample.part for sample in batch.samples] == ["train", "train", "train", "test"]


def test_a_float_y_is_a_target(read: Any, npz: Any) -> None:
    batch = read(npz(x=np.zeros((2, 3)), y=np.array([[0.5, 1.5], [2.5, 3.5]])))
    assert batch.schema.targets == ("target_0", "target_1")


def test_column_major_and_big_endian_arrays_mean_the_same(read: Any, npz: Any, values: Any) -> None:
    for array in (np.asfortranarray(X), X.astype(">f8"), X.astype(np.int64), X.astype(np.float16)):
        np.testing.assert_array_equal(values(read(npz(x=array))), X)


def test_samples_and_labels_that_are_nan_are_set_aside(read: Any, npz: Any) -> None:
    x = X.copy()
    x[1, 0, 0] = np.nan
    batch = read(npz(x=x, y=np.array([0.5, 1.5, np.nan, 2.5])))
    assert [row.place for row in batch.rejections] == ["x[1]", "x[2]"]
    assert len(batch.samples) == 2
    batch = read(npz(x=X, y=np.array(["a", "nan", "", "b"])))
    assert [row.reason for row in batch.rejections] == ["The label is nan, which is no name.", "The label is empty."]


def test_values_past_float32_are_set_aside(read: Any, npz: Any) -> None:
    batch = read(npz(x=np.array([[1e300], [1.0]])))
    assert (len(batch.samples), batch.rejected) == (1, 1)


class _Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def test_a_pickle_is_never_loaded(read: Any, npz: Any, zipped: Any, tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    objects = np.array([_Bomb(marker)], dtype=object)
    with pytest.raises(UnreadableUploadError, match="pickle"):
        read(npz(x=np.zeros((1, 2)), y=objects))
    with pytest.raises(UnreadableUploadError, match="no whole array"):
        read(zipped({"x.npy": pickle.dumps(_Bomb(marker))}), "x.npz")
    assert not marker.exists()


def header(shape: str, descr: str = "'<f4'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize(
    ("member", "problem"),
    [
        (header("(274877906944, 4)") + bytes(64), "promises 4398046511104 bytes and has 64"),
        (header("(-1, 4)") + bytes(64), "no whole array|send lists"),
        (header("(4, 4)") + bytes(63), "promises 64 bytes and has 63"),
        (header("(1, 99999999)"), "more than 1048576 values|promises"),
        (header("(4, 4)", "'|O'") + bytes(64), "pickle"),
        (header("(4, 4)", "'<M8[s]'") + bytes(128), "send lists of numbers or texts"),
        (header("(4, 4)", "[('a', '<f4')]") + bytes(64), "send lists of numbers or texts"),
        (header("__import__('os').abort()") + bytes(64), "no whole array"),
        (b"\x93NUMPY\x03\x00" + bytes(100), "version"),
        (b"\x93NUMPY\x01\x00\xff\xff", "no whole array"),
        (b"", "no whole array"),
    ],
)
def test_a_header_is_checked_before_anything_is_allocated(read: Any, zipped: Any, member: bytes, problem: str) -> None:
    with pytest.raises((UnreadableUploadError, UploadTooLargeError), match=problem):
        read(zipped({"x.npy": member}), "x.npz")


@pytest.mark.parametrize(
    ("y", "problem"),
    [
        (header("(1,)", "'<U0'"), "texts of no length"),
        (header("(1,)", "'<U1'") + b"\xff\xff\xff\xff", "no character"),
        (header("(1,)", "'>U1'") + b"\x00\x11\x00\x00", "no character"),
        (header(f"({2**80}, 0)"), "more than 100000 samples"),
    ],
    ids=["no length", "code", "code, big endian", "length"],
)
def test_labels_that_python_cannot_hold_are_refused(read: Any, zipped: Any, y: bytes, problem: str) -> None:
    with pytest.raises((UnreadableUploadError, UploadTooLargeError), match=problem):
        read(zipped({"x.npy": header("(1, 1)") + bytes(4), "y.npy": y}), "x.npz")


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"a": np.zeros(3)}, "has the arrays a, and none of samples"),
        ({"x": np.zeros(3)}, "the first axis counts them"),
        ({"x": np.zeros((3, 2)), "y": np.zeros(4, int)}, "3 samples and 4 labels"),
        ({"x": np.array([["a", "b"]])}, "send numbers"),
        ({"x_train": np.zeros((3, 2)), "x_test": np.zeros((3, 4))}, "differ in shape"),
        ({"x": np.zeros((3, 0))}, "do not make"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(
    read: Any, npz: Any, arrays: dict[str, Any], problem: str
) -> None:
    with pytest.raises(MisfitError, match=problem):
        read(npz(**arrays))


def test_every_truncation_is_refused(read: Any, npz: Any) -> None:
    data = npz(x=X, y=[0, 1, 0, 1])
    for length in range(4, len(data), 7):
        with pytest.raises(DatasetError):
            read(data[:length], "x.npz")


def test_random_damage_is_refused_or_harmless(read: Any, npz: Any) -> None:
    whole, rng = npz(x=X, y=[0, 1, 0, 1]), random.Random(1)
    for _ in range(500):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            batch = read(bytes(data), "x.npz")
        except DatasetError:
            continue
        assert len(batch.samples) + batch.rejected == 4


def test_an_archive_that_unpacks_to_a_multiple_is_refused_as_a_bomb(read: Any, zipped: Any) -> None:
    bomb = zipped({"x.npy": header("(1000, 20000)") + bytes(80_000_000)})
    assert len(bomb) < 100_000
    with pytest.raises(UploadTooLargeError, match="more than 200 times"):
        read(bomb, "x.npz")


def test_archives_of_too_many_bytes_or_members_are_refused(read: Any, zipped: Any) -> None:
    noise = {f"{number}.npy": os.urandom(1000) for number in range(30)}
    with pytest.raises(UploadTooLargeError, match="unpacks to 30000 bytes"):
        read(zipped(noise), "x.npz", limits=Limits(unpacked_bytes=20_000))
    with pytest.raises(UploadTooLargeError, match="30 members"):
        read(zipped(noise), "x.npz", limits=Limits(members=29))


def test_a_directory_of_millions_is_not_read(read: Any) -> None:
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, 0xFFFFFFFF, 0, 0)
    with pytest.raises(UploadTooLargeError, match="zip64"):
        read(b"PK\x03\x04" + bytes(1000) + end, "x.npz")
    lying = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, 30_000_000, 0, 0)
    with pytest.raises(UploadTooLargeError, match="members"):
        read(b"PK\x03\x04" + bytes(30_000_000) + lying, "x.npz")


def test_a_member_that_states_another_size_than_it_has_is_refused(read: Any, npz: Any) -> None:
    file = io.BytesIO(npz(x=X))
    with zipfile.ZipFile(file) as archive:
        info = archive.infolist()[0]
    data = bytearray(file.getvalue())
    place = data.rfind(b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<I", info.file_size - 8)
    with pytest.raises((UnreadableUploadError, NothingAcceptedError)):
        read(bytes(data), "x.npz")
