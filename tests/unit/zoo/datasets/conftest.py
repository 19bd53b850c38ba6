"""Reads an upload as the server does."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zoo.datasets.rows import Limits, Options
from zoo.datasets.schema import Schema
from zoo.datasets.upload import Batch, Format, collect, parse

Read = Callable[..., Batch]


@pytest.fixture
def read() -> Iterator[Read]:
    """`read(data, name=..., expected=..., limits=..., **options)`: the batch, which is closed after the test."""
    with ExitStack() as stack:

        def upload(
            data: bytes | Mapping[str, bytes],
            name: str = "",
            *,
            format_: Format | None = None,
            expected: Schema | None = None,
            limits: Limits | None = None,
            **options: Any,
        ) -> Batch:
            files = data if isinstance(data, Mapping) else {name: data}
            bounds = limits or Limits()
            _, (schema, rows) = parse(files, format_, Options(**options), bounds)
            return stack.enter_context(collect(schema, rows, bounds, expected=expected))

        yield upload


@pytest.fixture
def npz() -> Callable[..., bytes]:
    def make(**arrays: Any) -> bytes:
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)
        return file.getvalue()

    return make


@pytest.fixture
def zipped() -> Callable[[Mapping[str, bytes]], bytes]:
    def make(members: Mapping[str, bytes]) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return file.getvalue()

    return make


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """`picture(size, colour, mode=..., format=...)` as a file's bytes."""

    def make(size: tuple[int, int] = (4, 3), colour: Any = 200, mode: str = "L", format_: str = "PNG") -> bytes:
        file = io.BytesIO()
        Image.new(mode, size, colour).save(file, format_)
        return file.getvalue()

    return make


@pytest.fixture
def values() -> Callable[[Batch], np.ndarray]:
    """The samples of a batch as the server stores them, read back."""

    def of(batch: Batch) -> np.ndarray:
        data = b"".join(batch.chunks())
        length = int.from_bytes(data[8:12], "little")
        begin = -(-(12 + length) // 64) * 64
        shape = (len(batch.samples), *batch.schema.shape)
        count = int(np.prod(shape))
        return np.frombuffer(data, batch.schema.dtype, count, begin).reshape(shape)

    return of
