"""Pipeline descriptions in gst-launch's form: read into elements and their properties, and never executed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from zoo.training.offload.errors import PipelineError

MAX_CHARACTERS = 16 * 1024
MAX_ELEMENTS = 32

_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"[A-Za-z0-9_./-]+")
_EQUALS = re.compile(r"\s*=\s*")
# Spaces may surround '='; a value has none, or is in quotes. A comma ends a field of caps, and no other property.
_VALUE = re.compile(r"(?:\([a-z]+\))?(?:\"([^\"]*)\"|'([^']*)'|([^\s!\"']+))")
_FIELD = re.compile(r"(?:\([a-z]+\))?(?:\"([^\"]*)\"|'([^']*)'|([^\s!,\"']+))")


@dataclass(frozen=True)
class Element:
    """An element, or the caps between two: then `name` is a media type. Of a repeated property the last one counts."""

    name: str
    properties: dict[str, str]
    column: int

    def whole(self, key: str, default: int | None = None, *, least: int = 0) -> int:
        """A property that is a whole number. Raises PipelineError."""
        found = self.properties.get(key)
        if found is None and default is not None:
            return default
        if found is None or not re.fullmatch("[0-9]{1,9}", found) or int(found) < least:
            shown = "missing" if found is None else f"{found[:40]!r}"
            raise PipelineError(
                f"{self.name} at column {self.column}: {key} is {shown}, and no whole number from {least}.", field=key
            )
        return int(found)

    def flag(self, key: str, *, default: bool) -> bool:
        """A property that is true or false. Raises PipelineError."""
        found = self.properties.get(key, str(default)).lower()
        if found not in {"true", "false", "1", "0", "yes", "no"}:
            raise PipelineError(
                f"{self.name} at column {self.column}: {key} is {found[:40]!r}, and not true or false.", field=key
            )
        return found in {"true", "1", "yes"}


def parse_pipeline(text: str) -> tuple[Element, ...]:
    """The elements in order. Raises PipelineError with the column, counted from 1."""
    if len(text) > MAX_CHARACTERS:
        raise PipelineError(f"The pipeline has {len(text)} characters; {MAX_CHARACTERS} are read.")
    found: list[Element] = []
    place = 0
    while True:
        element, place = _element(text, _skip(_SPACE, text, place))
        found.append(element)
        if len(found) > MAX_ELEMENTS:
            raise PipelineError(f"The pipeline has more than {MAX_ELEMENTS} elements.")
        if place == len(text):
            return tuple(found)
        place += 1  # the exclamation mark


def the_element(pipeline: tuple[Element, ...], name: str) -> Element:
    """The one element of a name. Raises PipelineError when there is none, or several."""
    found = [element for element in pipeline if element.name == name]
    if len(found) != 1:
        raise PipelineError(
            f"The pipeline has {len(found)} elements {name}, and needs exactly one.",
            remedy=f"It has {', '.join(element.name for element in pipeline)[:300]}.",
        )
    return found[0]


def caps_of(pipeline: tuple[Element, ...]) -> Element | None:
    """The caps of a pipeline: the element whose name is a media type."""
    return next((element for element in pipeline if "/" in element.name), None)


def _element(text: str, place: int) -> tuple[Element, int]:
    """The element that begins at `place`, and where it ends: at an exclamation mark or the text's end."""
    begin = place
    name, place = _take(_WORD, text, place, "the name of an element")
    caps = "/" in name
    properties: dict[str, str] = {}
    while True:
        place = _skip(_SPACE, text, place)
        if caps and place < len(text) and text[place] == ",":
            place = _skip(_SPACE, text, place + 1)
        if place == len(text) or text[place] == "!":
            return Element(name, properties, begin + 1), place
        key, place = _take(_WORD, text, place, "the name of a property")
        _, place = _take(_EQUALS, text, place, f"'=' after {key[:40]}")
        match = (_FIELD if caps else _VALUE).match(text, place)
        if match is None:
            raise _unexpected(text, place, f"a value of {key[:40]}")
        properties[key] = next((group for group in match.groups() if group is not None), "")
        place = match.end()


def _take(pattern: re.Pattern[str], text: str, place: int, what: str) -> tuple[str, int]:
    match = pattern.match(text, place)
    if match is None:
        raise _unexpected(text, place, what)
    return match.group(), match.end()


def _skip(pattern: re.Pattern[str], text: str, place: int) -> int:
    match = pattern.match(text, place)
    return match.end() if match is not None else place


def _unexpected(text: str, place: int, what: str) -> PipelineError:
    there = repr(text[place : place + 20]) if place < len(text) else "the end"
    return PipelineError(f"column {place + 1}: {what} was expected, and there is {there}.")
