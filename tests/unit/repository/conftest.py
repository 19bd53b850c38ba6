"""The files that make the repository: everything under its root but what tools make and nobody commits."""

from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MADE_BY_TOOLS = {
    ROOT / "data",
    ROOT / "dist",
    ROOT / "app" / "web" / "vendor",
    ROOT / "builders" / "images" / "cortex-m" / "libraries",
}
HIDDEN_BUT_OURS = {".ci", ".github", ".dockerignore", ".gitignore", ".gitattributes"}


def _walk(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        hidden = entry.name.startswith(".") and entry.name not in HIDDEN_BUT_OURS
        if hidden or entry.name == "__pycache__" or entry in MADE_BY_TOOLS or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from _walk(entry)
        else:
            yield entry


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def repository_files() -> list[Path]:
    return list(_walk(ROOT))
