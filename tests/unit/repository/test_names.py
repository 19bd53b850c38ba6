"""The folders docker/ and alembic/ share their names with libraries, and must never hide them."""

from pathlib import Path

import alembic
import docker
import pytest


@pytest.mark.parametrize("library", [docker, alembic], ids=lambda library: library.__name__)
def test_the_library_is_imported_and_not_our_folder_of_the_same_name(library: object) -> None:
    assert "site-packages" in Path(str(getattr(library, "__file__", None))).parts


@pytest.mark.parametrize("folder", ["docker", "alembic"])
def test_the_folder_is_no_package(root: Path, folder: str) -> None:
    assert not (root / folder / "__init__.py").exists()
