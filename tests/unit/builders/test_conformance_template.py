"""The files that the template shares with the shipped images, and its reader of untrusted models."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tflite

from builders.conformance import shipped_models
from builders.contract import parse_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUILDERS = Path(__file__).parents[3] / "builders"
TEMPLATE = BUILDERS / "template"
SHARED = ("contract.py", "tflite_file.py")
MODULES = ("contract", "tflite_file")


@pytest.fixture(scope="module")
def reader() -> Iterator[Any]:
    """The template's `tflite_file`, imported as it is in the image: with its folder as the place of modules."""
    sys.path.insert(0, str(TEMPLATE))
    try:
        import tflite_file

        yield tflite_file
    finally:
        sys.path.remove(str(TEMPLATE))
        for name in MODULES:
            sys.modules.pop(name, None)


@pytest.mark.parametrize("image", ["ethos-u", "litert-edge"])
@pytest.mark.parametrize("file", SHARED)
def test_an_image_has_the_templates_own_files(image: str, file: str) -> None:
    # Each image is built from its folder alone, so that each has its copy.
    assert (BUILDERS / "images" / image / file).read_text() == (TEMPLATE / file).read_text()


@pytest.mark.parametrize("folder", [TEMPLATE, BUILDERS / "images" / "ethos-u", BUILDERS / "images" / "litert-edge"])
def test_a_manifest_is_valid_and_every_board_is_in_the_program(folder: Path) -> None:
    manifest = parse_manifest((folder / "manifest.json").read_text())
    program = "".join(path.read_text() for path in folder.glob("*.py"))
    assert all(f'"{board.name}"' in program for board in manifest.boards)


def test_the_operators_names_are_the_schemas(reader: Any) -> None:
    numbers = {name: value for name, value in vars(tflite.BuiltinOperator).items() if name.isupper()}
    assert {name: number for number, name in enumerate(reader._NAMES)} == numbers


def test_the_reader_lists_operators_and_memory(reader: Any) -> None:
    models = shipped_models()
    assert reader.read_operators(models.valid.content) == {"FULLY_CONNECTED": 2, "SOFTMAX": 1}
    assert reader.activation_bytes(models.valid.content) == 8 + 16 + 4 + 4
    assert reader.read_operators(models.unsupported.content) == {f"CUSTOM {models.unsupported_operator}": 1}


def read(reader: Any, data: bytes) -> None:
    """Read, or be refused; anything else that is raised fails the test."""
    try:
        reader.read_operators(data)
        reader.activation_bytes(data)
    except reader.Refusal as refusal:
        assert refusal.code in {"bad_model", "unsupported_operator"}  # noqa: PT017 - the other outcome is as good


def _cut(content: bytes, _dice: random.Random, step: int) -> bytes:
    return content[:step]


def _flipped(content: bytes, dice: random.Random, _step: int) -> bytes:
    data = bytearray(content)
    for _ in range(dice.randint(1, 4)):
        data[dice.randrange(8, len(data))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
    return bytes(data)


@pytest.mark.parametrize("damage", [_cut, _flipped])
def test_a_damaged_model_is_read_or_refused(reader: Any, damage: Callable[[bytes, random.Random, int], bytes]) -> None:
    dice = random.Random(4)
    for model in (shipped_models().valid, shipped_models().other):
        for step in range(len(model.content)):
            read(reader, damage(model.content, dice, step))
