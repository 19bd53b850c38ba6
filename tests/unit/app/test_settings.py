"""Settings come from the environment."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import Settings


@pytest.fixture
def environment() -> Iterator[None]:
    """Restored afterwards."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("TINYMLAAS_PORT", "8001", "port", 8001),
        ("TINYMLAAS_LWM2M_DTLS_PORT", "none", "lwm2m_dtls_port", None),
        ("TINYMLAAS_LWM2M_TCP_PORT", "5683", "lwm2m_tcp_port", 5683),
        ("LWM2M_BRIDGE", "http://leshan.example/api", "lwm2m_bridge", "http://leshan.example/api"),
        ("TINYMLAAS_LESHAN_SECURITY", "true", "leshan_security", True),
    ],
)
@pytest.mark.usefixtures("environment")
def test_a_variable_sets_its_field(name: str, text: str, field: str, value: object) -> None:
    os.environ[name] = text
    assert getattr(Settings(), field) == value


@pytest.mark.usefixtures("environment")
def test_the_data_folder_is_known_by_its_whole_path_to_workers_that_run_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.environ.pop("TINYMLAAS_DATA_DIR", None)
    assert Settings().data_dir == tmp_path / "data"
    os.environ["TINYMLAAS_DATA_DIR"] = "elsewhere"
    assert Settings().data_dir == tmp_path / "elsewhere"
