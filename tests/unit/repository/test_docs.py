"""The documentation points at things that exist."""

import re
from pathlib import Path

LINK = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")
IN_TREE = re.compile(r"`((?:app|builders|zoo|lwm2m|edge|docs|docker|alembic|tools|tests|bench)/[A-Za-z0-9_./-]*)`")


def test_every_link_between_pages_leads_somewhere(repository_files: list[Path]) -> None:
    pages = [file for file in repository_files if file.suffix == ".md"]
    dead = [
        f"{page}: {target}"
        for page in pages
        for target, _ in LINK.findall(page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert dead == []


def test_every_path_that_a_page_names_is_in_the_tree(repository_files: list[Path], root: Path) -> None:
    pages = [file for file in repository_files if file.suffix == ".md"]
    missing = [
        f"{page}: {name}" for page in pages for name in IN_TREE.findall(page.read_text()) if not (root / name).exists()
    ]
    assert missing == []


def test_every_page_is_in_the_index(repository_files: list[Path], root: Path) -> None:
    index = (root / "docs" / "index.md").read_text()
    pages = {file for file in repository_files if file.suffix == ".md" and root / "docs" in file.parents}
    linked = {(root / "docs" / target).resolve() for target, _ in LINK.findall(index) if "://" not in target}
    assert pages - linked - {root / "docs" / "index.md"} == set()
