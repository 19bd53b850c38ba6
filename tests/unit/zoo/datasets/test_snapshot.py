"""A snapshot's file gives back what was put in, is named by its content, and is refused when it is not whole."""

import hashlib
import json
import random
import struct
from pathlib import Path

import numpy as np
import pytest

from zoo.datasets import snapshot
from zoo.datasets.errors import BadSnapshotError
from zoo.datasets.schema import Schema, ordered
from zoo.datasets.snapshot import load

SCHEMA = Schema("tabular", (3,), "float32", ("a", "b", "c"), labels=("no", "yes"))
X = np.arange(15, dtype=np.float32).reshape(5, 3)
Y = np.array([0, 1, 1, 0, 1], np.int32)
SPLIT = {
    "train": np.array([0, 2, 4], np.int32),
    "validation": np.array([1], np.int32),
    "test": np.array([3], np.int32),
}


def whole() -> bytes:
    return b"".join(snapshot.chunks(SCHEMA, (row.tobytes() for row in X), Y, None, SPLIT))


def stored(folder: Path, data: bytes) -> Path:
    path = folder / hashlib.sha256(data).hexdigest()
    path.write_bytes(data)
    return path


def test_a_snapshot_gives_back_samples_labels_and_split(tmp_path: Path) -> None:
    path = stored(tmp_path, whole())
    loaded = load(path, path.name)
    assert loaded.sha256 == path.name
    assert loaded.schema == SCHEMA
    assert loaded.labels == ("no", "yes")
    np.testing.assert_array_equal(loaded.x, X)
    np.testing.assert_array_equal(loaded.y, Y)
    x, y = loaded.part("test")
    assert (x.tolist(), y.tolist()) == ([[9.0, 10.0, 11.0]], [0])


def test_the_arrays_are_mapped_and_cannot_be_changed(tmp_path: Path) -> None:
    loaded = load(stored(tmp_path, whole()))
    assert isinstance(loaded.x, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        loaded.x[0] = 1


def test_the_same_content_has_the_same_bytes() -> None:
    assert whole() == whole()


def test_a_snapshot_of_no_labels_has_no_y(tmp_path: Path) -> None:
    schema = Schema("tabular", (3,), "float32", ("a", "b", "c"))
    loaded = load(stored(tmp_path, b"".join(snapshot.chunks(schema, (row.tobytes() for row in X), None, None, SPLIT))))
    assert loaded.y is None
    assert loaded.part("train")[1] is None


def test_another_file_than_the_one_asked_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSnapshotError, match="hashes to"):
        load(stored(tmp_path, whole()), "0" * 64)


@pytest.mark.parametrize("length", [0, 4, 11, 12, 100, 500, -64, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, length: int) -> None:
    with pytest.raises(BadSnapshotError):
        load(stored(tmp_path, whole()[:length]))


def test_a_header_that_promises_a_terabyte_is_refused(tmp_path: Path) -> None:
    data = whole()
    (length,) = struct.unpack("<I", data[8:12])
    header = json.loads(data[12 : 12 + length])
    header["arrays"][0]["shape"] = [2**38, 3]
    text = json.dumps(header).encode()
    with pytest.raises(BadSnapshotError, match="damaged header"):
        load(stored(tmp_path, data[:8] + struct.pack("<I", len(text)) + text + data[12 + length :]))


def test_random_damage_is_refused_or_harmless(tmp_path: Path) -> None:
    rng = random.Random(6)
    whole_file = whole()
    for _ in range(300):
        data = bytearray(whole_file)
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(len(data) if rng.random() < 0.2 else 600)] = rng.randrange(256)
        try:
            loaded = load(stored(tmp_path, bytes(data)))
        except BadSnapshotError:
            continue
        assert len(loaded.x) == sum(len(part) for part in loaded.split.values())


def test_a_split_that_repeats_a_sample_is_refused(tmp_path: Path) -> None:
    split = {**SPLIT, "test": np.array([2], np.int32)}
    data = b"".join(snapshot.chunks(SCHEMA, (row.tobytes() for row in X), Y, None, split))
    with pytest.raises(BadSnapshotError, match="split"):
        load(stored(tmp_path, data))


def test_classes_that_are_numbers_are_ordered_as_numbers() -> None:
    assert ordered(["10", "9", "0"]) == ("0", "9", "10")
    assert ordered(["b", "a", "10"]) == ("10", "a", "b")
