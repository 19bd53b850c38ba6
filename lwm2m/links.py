"""CoRE link format (RFC 6690) as LwM2M uses it: the objects of a registration and the answer to a Discover."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lwm2m.errors import CodecError

MAX_LINKS = 2000
_TARGET = re.compile(r"\s*<([^<>]{0,256})>")
_ATTRIBUTE = re.compile(r'\s*;\s*([^\s;,="<>]{1,64})(?:=("(?:[^"\\]|\\.){0,1024}"|[^;,"\s<>]{0,256}))?')
_SEPARATOR = re.compile(r"\s*(,|\Z)")


@dataclass(frozen=True, slots=True)
class Link:
    """One target and its attributes; a quoted value keeps its quotes, a valueless attribute is None."""

    url: str
    attributes: tuple[tuple[str, str | None], ...] = ()

    def attribute(self, name: str) -> str | None:
        """The first value of an attribute without its quotes, or None when absent or valueless."""
        value = next((value for key, value in self.attributes if key == name), None)
        return re.sub(r"\\(.)", r"\1", value[1:-1]) if value and value.startswith('"') else value


def parse_links(text: str) -> tuple[Link, ...]:
    """Read `</1>;ver=1.1,</1/0>`.

    Raises:
        CodecError: the text is no link format, or lists more links than any device has.
    """
    links: list[Link] = []
    position = 0
    if not text.strip():
        return ()
    while True:
        target = _TARGET.match(text, position)
        if target is None:
            raise CodecError(f"no link at byte {position} of the link list")
        position = target.end()
        attributes: list[tuple[str, str | None]] = []
        while attribute := _ATTRIBUTE.match(text, position):
            attributes.append((attribute[1], attribute[2]))
            position = attribute.end()
        links.append(Link(target[1], tuple(attributes)))
        separator = _SEPARATOR.match(text, position)
        if separator is None:
            raise CodecError(f"a comma is expected at byte {position} of the link list")
        if not separator[1]:
            return tuple(links)
        if len(links) >= MAX_LINKS:
            raise CodecError(f"more than {MAX_LINKS} links")
        position = separator.end()


def format_links(links: Iterable[Link]) -> str:
    """The text that `parse_links` reads."""
    return ",".join(
        f"<{link.url}>"
        + "".join(f";{name}" if value is None else f";{name}={value}" for name, value in link.attributes)
        for link in links
    )
