"""Connecting to an engine that is not there."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from builders.engine import connect
from builders.errors import DockerUnavailableError

if TYPE_CHECKING:
    from pathlib import Path


def test_an_address_without_an_engine_is_unavailable_and_leaves_no_socket_open(tmp_path: Path) -> None:
    with pytest.raises(DockerUnavailableError) as caught:
        connect(f"unix://{tmp_path}/none.sock")
    assert "dockerd" in caught.value.remedy
    gc.collect()  # an open socket would warn now, and a warning is an error


def test_a_closed_port_is_unavailable() -> None:
    with pytest.raises(DockerUnavailableError):
        connect("tcp://127.0.0.1:1")
