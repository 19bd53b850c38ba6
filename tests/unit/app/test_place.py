"""A server does not start where another one is, and says which of its things is taken."""

from pathlib import Path

import pytest

from app.place import PlaceTakenError, take
from app.settings import Settings


def at(folder: Path) -> Settings:
    return Settings(data_dir=folder, port=0, lwm2m_port=0, lwm2m_dtls_port=None)


def test_a_data_folder_is_for_one_server_until_that_has_ended(tmp_path: Path) -> None:
    settings = at(tmp_path / "data")
    with take(settings), pytest.raises(PlaceTakenError, match="Another server uses the data folder") as taken:
        take(settings)
    assert taken.value.remedy == "Stop it, or give this one --data-dir."
    take(settings).close()
