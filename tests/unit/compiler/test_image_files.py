"""The files of the image agree with each other and with the contract."""

import json
import re
from pathlib import Path

import jsonschema
from compiler.operators import FAMILIES
from firmware_builder.boards import load_boards
from firmware_builder.request import Optimise
from firmware_builder.sources import slot_abi
from host_model import IMAGE

ROOT = IMAGE.parents[2]
MANIFEST = json.loads((IMAGE / "manifest.json").read_text())


def test_the_manifest_follows_its_schema() -> None:
    schema = json.loads((ROOT / "builders" / "contract" / "manifest.schema.json").read_text())
    jsonschema.validate(MANIFEST, schema)


def test_the_label_of_the_dockerfile_is_the_manifest() -> None:
    match = re.search(r"^LABEL io\.tinymlaas\.builder='(.*)'$", (IMAGE / "Dockerfile").read_text(), re.MULTILINE)
    assert match
    assert json.loads(match[1]) == MANIFEST


def test_the_manifest_lists_exactly_the_boards_of_the_folder() -> None:
    paths = sorted((IMAGE / "boards").glob("*.json"), key=lambda path: path.stem)
    files = [json.loads(file.read_text())["board"] for file in paths]
    assert MANIFEST["boards"] == files
    assert list(load_boards(IMAGE / "boards")) == [board["name"] for board in files]


def test_the_manifest_offers_exactly_the_parameters_that_requests_may_carry() -> None:
    assert MANIFEST["parameters"]["properties"]["optimise"]["enum"] == [item.value for item in Optimise]


def test_the_slot_abi_changes_with_the_kernels(tmp_path: Path) -> None:
    board = load_boards(IMAGE / "boards")["mps2-an386"]
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, text in ((one, "int a;"), (other, "int b;")):
        folder.mkdir()
        (folder / "kernel.c").write_text(text)
    assert slot_abi(board, one, trains=False) != slot_abi(board, other, trains=False)
    assert slot_abi(board, one, trains=False) == slot_abi(board, one, trains=False)


def test_the_page_of_operators_lists_exactly_what_the_compiler_knows() -> None:
    rows = re.findall(
        r"^\| ([A-Z0-9_, ]+) \|", (ROOT / "docs" / "reference" / "operators.md").read_text(), re.MULTILINE
    )
    assert sorted(name for row in rows for name in row.split(", ")) == sorted(FAMILIES)
