"""One array of an .npz: its header is checked before anything is allocated, its rows are read one after the other."""

from __future__ import annotations

import math
import sys
import zipfile
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from zoo.datasets.archive import Archive
from zoo.datasets.errors import UnreadableUploadError, UploadTooLargeError
from zoo.datasets.rows import Limits

_KINDS = "biufSU"
_CODES = {"<": np.dtype("<u4"), ">": np.dtype(">u4"), "=": np.dtype("=u4")}
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class NpyArray:
    """A member of an archive. Raises UnreadableUploadError for a pickle, and for a size that is not the file's."""

    def __init__(self, archive: Archive, member: zipfile.ZipInfo, limits: Limits) -> None:
        self._archive, self._member = archive, member
        self.name = member.filename.removesuffix(".npy")[:80]
        problem = archive.problem(member)
        if problem is not None:
            raise UnreadableUploadError(f"{self.name}: {problem}")
        try:
            with archive.opened(member) as file:
                self.shape, self._fortran, self.dtype = _header(file)
                self._begin = file.tell()
        except (ValueError, EOFError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
            raise self._broken(error) from error
        self._check(limits)

    def __len__(self) -> int:
        return self.shape[0]

    def whole(self) -> NDArray[Any]:
        """All of it."""
        try:
            data = self._archive.read(self._member)
        except ValueError as error:
            raise self._broken(error) from error
        if len(data) != self._member.file_size:
            raise UnreadableUploadError(f"{self.name} is cut off.")
        array = np.frombuffer(data, self.dtype, offset=self._begin) if self._size else np.empty(0, self.dtype)
        if self.dtype.kind == "U" and array.size and array.view(_CODES[self.dtype.byteorder]).max() > sys.maxunicode:
            raise UnreadableUploadError(f"{self.name} has a text with a code that is no character.")
        return array.reshape(self.shape, order="F" if self._fortran else "C")

    def rows(self) -> Iterator[NDArray[Any]]:
        """Along the first axis; only one is in memory, unless the array is stored by columns."""
        if self._fortran or not self._size:
            yield from self.whole()
            return
        length = self._size // len(self)
        try:
            with self._archive.opened(self._member) as file:
                file.read(self._begin)
                for _ in range(len(self)):
                    data = file.read(length)
                    if len(data) < length:
                        raise UnreadableUploadError(f"{self.name} is cut off.")
                    yield np.frombuffer(data, self.dtype).reshape(self.shape[1:])
                file.read(1)  # at the end the checksum is compared
        except ValueError as error:
            raise self._broken(error) from error

    @property
    def _size(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def _check(self, limits: Limits) -> None:
        if self.dtype.hasobject:
            raise UnreadableUploadError(
                f"{self.name} holds Python objects, which only a pickle can; pickles are never read.",
                remedy="Save arrays of numbers or texts: y.astype(str), or whole numbers.",
            )
        if self.dtype.kind not in _KINDS or not self.shape or any(length < 0 for length in self.shape):
            raise UnreadableUploadError(
                f"{self.name} is of type {self.dtype}, shape {list(self.shape)}: send lists of numbers or texts."
            )
        if not self.dtype.itemsize:
            raise UnreadableUploadError(f"{self.name} holds texts of no length.", remedy="Save it with y.astype(str).")
        if math.prod(self.shape[1:]) > limits.values:
            raise UploadTooLargeError(f"{self.name}: a sample has more than {limits.values} values.")
        left = self._member.file_size - self._begin
        if self._size != left:
            raise UnreadableUploadError(f"{self.name} promises {self._size} bytes and has {left}.")
        if self.shape[0] > limits.rows:
            raise UploadTooLargeError(f"{self.name} has more than {limits.rows} samples.")

    def _broken(self, error: Exception) -> UnreadableUploadError:
        return UnreadableUploadError(f"{self.name} is no whole array: {' '.join(str(error).split())[:200]}")


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of the format is not read")
    shape, fortran, dtype = _HEADERS[version](file)
    return shape, fortran, dtype
