"""A stranger's zip archive: opened within bounds, its members read one by one and never written anywhere."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO

from zoo.datasets.errors import UnreadableUploadError, UploadTooLargeError
from zoo.datasets.rows import Limits

_END = b"PK\x05\x06"
_END_SIZE = 22
_ZIP64 = b"PK\x06\x07"
_DIRECTORY_BYTES_PER_MEMBER = 512
# Small files compress as well as they like; the bound is for what fills a memory.
_RATIO_FROM_BYTES = 1024 * 1024


class Archive:
    """An archive of a bounded number of members; zipfile would read a directory of any size before it asks."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        self._limits = limits
        _check_directory(data, limits)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
            raise UnreadableUploadError(f"The archive cannot be read: {error}.") from error
        self.members = [member for member in self._zip.infolist() if not member.is_dir()]
        stated = sum(member.file_size for member in self.members)
        if stated > limits.unpacked_bytes:
            raise UploadTooLargeError(f"The archive unpacks to {stated} bytes; {limits.unpacked_bytes} are allowed.")
        for member in self.members:
            if member.file_size > max(_RATIO_FROM_BYTES, member.compress_size * limits.ratio):
                raise UploadTooLargeError(
                    f"{member.filename[:80]!r} would unpack to {member.file_size} bytes from {member.compress_size}: "
                    f"more than {limits.ratio} times as many.",
                    remedy="This looks like a decompression bomb. Send real data, or compress it less.",
                )

    def problem(self, member: zipfile.ZipInfo) -> str | None:
        """Why a member is not read; None when it may be."""
        if member.flag_bits & 0x1:
            return "It is encrypted."
        if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            return f"It is compressed by method {member.compress_type}; deflate is read."
        name = member.filename
        if "\\" in name or name.startswith("/") or ".." in PurePosixPath(name).parts or not name.isprintable():
            return "Its name leads out of the archive."
        return None

    @contextmanager
    def opened(self, member: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
        """A member to be read piece by piece; ValueError when it cannot be unpacked."""
        try:
            with self._zip.open(member) as file:
                yield file
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
            raise ValueError(str(error)) from error

    def read(self, member: zipfile.ZipInfo) -> bytes:
        """A member's bytes, as many as it states; ValueError when it cannot be unpacked."""
        with self.opened(member) as file:
            return file.read(member.file_size)


def is_zip(data: bytes) -> bool:
    """Whether bytes begin as an archive does."""
    return data.startswith((b"PK\x03\x04", _END))


def _check_directory(data: bytes, limits: Limits) -> None:
    """Find the end record as zipfile does, and bound the directory that it states."""
    place = len(data) - _END_SIZE
    if place < 0 or data[place : place + 4] != _END or data[-2:] != b"\x00\x00":
        place = data.rfind(_END, max(0, len(data) - _END_SIZE - 65535))
    if place < 0 or place + _END_SIZE > len(data):
        raise UnreadableUploadError("The archive has no end: it is no zip file, or a part of it is missing.")
    count, directory = struct.unpack_from("<HI", data, place + 10)
    if data[max(0, place - 20) : place].startswith(_ZIP64) or count == 0xFFFF or directory == 0xFFFFFFFF:
        raise UploadTooLargeError("The archive is in the zip64 form, which is for larger ones than are taken.")
    if count > limits.members or directory > limits.members * _DIRECTORY_BYTES_PER_MEMBER:
        raise UploadTooLargeError(f"The archive states {count} members; {limits.members} are allowed.")
