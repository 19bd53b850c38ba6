"""Zipped folders of pictures: the folder is the label, and no picture costs more than it may."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zoo.datasets.errors import (
    DatasetError,
    MisfitError,
    NothingAcceptedError,
    UnreadableUploadError,
    UploadTooLargeError,
)
from zoo.datasets.images import BadImageError, image_array
from zoo.datasets.rows import Limits


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of_size(width: int, height: int, *chunks: bytes, lines: int = 1) -> bytes:
    """A grey PNG whose header states a size and whose data are a few lines of it."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(lines * (1 + min(width, 100_000)))))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + data + chunk(b"IEND", b"")


def test_the_folder_is_the_label(read: Any, zipped: Any, picture: Any, values: Any) -> None:
    batch = read(
        zipped({"cats/1.png": picture(), "cats/2.jpg": picture(format_="JPEG"), "set/dogs/1.png": picture(colour=9)})
    )
    assert (batch.schema.kind, batch.schema.shape, batch.schema.features) == ("image", (3, 4, 1), ("grey",))
    assert [sample.label for sample in batch.samples] == ["cats", "cats", "dogs"]
    assert values(batch)[2].tolist() == np.full((3, 4, 1), 9).tolist()


def test_folders_of_parts_say_the_part(read: Any, zipped: Any, picture: Any) -> None:
    batch = read(zipped({"train/a/1.png": picture(), "val/b/1.png": picture(), "data/test/a/1.png": picture()}))
    assert [(s.part, s.label) for s in batch.samples] == [("train", "a"), ("validation", "b"), ("test", "a")]


def test_pictures_are_resized_only_when_a_shape_is_asked_for(read: Any, zipped: Any, picture: Any) -> None:
    data = zipped({"a/1.png": picture((8, 8)), "b/1.png": picture((9, 8), (1, 2, 3), "RGB")})
    batch = read(data)
    assert batch.rejections[0].reason == "It is 8x9x3 and not 8x8x1: ask for a `shape`."
    batch = read(data, shape=(4, 4, 3))
    assert (batch.schema.shape, batch.schema.features, len(batch.samples)) == ((4, 4, 3), ("red", "green", "blue"), 2)


@pytest.mark.parametrize("shape", [(4,), (4, 4), (4, 4, 2), (5000, 4, 1)])
def test_a_shape_that_is_none_of_a_picture_is_refused(read: Any, zipped: Any, picture: Any, shape: Any) -> None:
    with pytest.raises(MisfitError, match="is none of a picture"):
        read(zipped({"a/1.png": picture()}), shape=shape)


@pytest.mark.parametrize(
    ("mode", "colour", "pixel"),
    [
        ("L", 128, [128]),
        ("1", 1, [255]),
        ("LA", (0, 0), [255, 255, 255]),
        ("RGBA", (10, 20, 30, 255), [10, 20, 30]),
        ("RGBA", (10, 20, 30, 0), [255, 255, 255]),
        ("P", 0, [0, 0, 0]),
        ("I;16", 0x8000, [128]),
    ],
)
def test_every_kind_of_pixel_becomes_a_byte(picture: Any, mode: str, colour: Any, pixel: list[int]) -> None:
    found = image_array(picture((1, 1), colour, mode), Limits())[0, 0].tolist()
    assert found in (pixel, pixel[:1])


def test_a_photograph_is_turned_upright() -> None:
    image, file = Image.new("L", (2, 1)), io.BytesIO()
    image.putpixel((0, 0), 255)
    exif = image.getexif()
    exif[0x0112] = 6  # the camera was turned: rows and columns are exchanged
    image.save(file, "PNG", exif=exif)
    assert image_array(file.getvalue(), Limits()).shape == (2, 1, 1)


def test_a_picture_of_a_hundred_thousand_pixels_each_way_is_never_unpacked() -> None:
    for side, problem in ((100_000, "10000000000 pixels"), (5000, "5000 x 5000 pixels; 16777216 are allowed")):
        data = png_of_size(side, side)
        assert len(data) < 1000
        with pytest.raises(BadImageError, match=problem):
            image_array(data, Limits())


def test_a_compressed_text_in_a_picture_is_no_way_around_the_bound() -> None:
    bomb = chunk(b"zTXt", b"c\x00\x00" + zlib.compress(bytes(50_000_000)))
    with pytest.raises(BadImageError):
        image_array(png_of_size(2, 2, bomb, lines=2), Limits())


@pytest.mark.parametrize("data", [b"", b"x", b"GIF89a" + bytes(20), b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_no_png_or_jpeg_is_no_picture(data: bytes) -> None:
    with pytest.raises(BadImageError, match="no whole PNG or JPEG"):
        image_array(data, Limits())


def test_every_truncation_of_a_picture_is_refused_or_whole(picture: Any) -> None:
    for data in (picture((16, 16), (9, 9, 9), "RGB"), picture((16, 16), format_="JPEG")):
        for length in range(len(data)):
            try:
                image_array(data[:length], Limits())
            except BadImageError:
                continue
            assert length > len(data) - 24  # only checksums and the end mark are missing


def test_members_that_cannot_be_used_are_set_aside(read: Any, zipped: Any, picture: Any) -> None:
    batch = read(
        zipped(
            {
                "a/good.png": picture(),
                "a/notes.txt": b"hello",
                "a/broken.png": picture()[:30],
                "../../etc/evil.png": picture(),
                "/abs/evil.png": picture(),
                "a\\..\\evil.png": picture(),
                "__MACOSX/a/._good.png": b"x",
                "a/.DS_Store": b"x",
                "x" * 101 + "/1.png": picture(),
            }
        )
    )
    assert len(batch.samples) == 1
    reasons = {row.place: row.reason for row in batch.rejections}
    assert reasons["a/notes.txt"] == "It is no .png or .jpg."
    assert "no whole PNG" in reasons["a/broken.png"]
    assert reasons["../../etc/evil.png"] == reasons["/abs/evil.png"] == "Its name leads out of the archive."
    assert batch.rejected == 6


def test_encrypted_members_are_set_aside(read: Any, zipped: Any, picture: Any) -> None:
    data = bytearray(zipped({"a/1.png": picture(), "a/2.png": picture()}))
    place = data.find(b"PK\x01\x02")
    data[place + 8] |= 1
    assert "encrypted" in read(bytes(data)).rejections[0].reason


def test_an_archive_without_a_picture_is_refused(read: Any, zipped: Any) -> None:
    for members in ({}, {"a/x.txt": b"x"}, {"a/x.png": b"x"}):
        with pytest.raises(NothingAcceptedError, match="no picture"):
            read(zipped(members), "x.zip")


def test_an_archive_in_an_archive_is_not_opened(read: Any, zipped: Any, picture: Any) -> None:
    inner = zipped({"a/1.png": picture()})
    assert read(zipped({"a/1.png": picture(), "a/inner.zip": inner})).rejected == 1


def test_a_bomb_of_pictures_is_refused(read: Any, zipped: Any) -> None:
    with pytest.raises(UploadTooLargeError, match="more than 200 times"):
        read(zipped({"a/1.png": bytes(50_000_000)}))


def test_members_that_share_their_bytes_do_not_multiply_the_work(read: Any) -> None:
    """The overlapping form of a bomb: many entries of a directory point to one member."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/0.png", bytes(1_000_000))
    data = file.getvalue()
    begin, end = data.find(b"PK\x01\x02"), data.find(b"PK\x05\x06")
    entry, count = data[begin:end], 1000
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(entry) * count, begin, 0)
    with pytest.raises(UploadTooLargeError, match="unpacks to 1000000000 bytes"):
        read(data[:begin] + entry * count + tail)


def test_a_zip_cut_off_is_refused(read: Any, zipped: Any, picture: Any) -> None:
    data = zipped({"a/1.png": picture()})
    with pytest.raises(UnreadableUploadError, match="no end"):
        read(data[:-30])
    for length in range(4, len(data), 5):
        with pytest.raises(DatasetError):
            read(data[:length], "x.zip")
