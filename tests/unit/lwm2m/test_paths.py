"""Paths and links."""

import pytest

from lwm2m.errors import CodecError, PathError
from lwm2m.links import MAX_LINKS, Link, format_links, parse_links
from lwm2m.paths import Path


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("/5/0/3", (5, 0, 3)),
        ("5/0/3", (5, 0, 3)),
        ("/", ()),
        ("", ()),
        ("/3/0/7/65534", (3, 0, 7, 65534)),
        ("/0", (0,)),
    ],
)
def test_a_path_is_read_and_written(text: str, ids: tuple[int, ...]) -> None:
    assert Path.parse(text) == Path(ids)
    assert Path.parse(str(Path(ids))) == Path(ids)


@pytest.mark.parametrize(
    "text", ["/5/", "//5", "/a", "/-1", "/5/65535", "/1/2/3/4/5", "/01", "/٣", "/5 ", "/9999999", "x" * 1000]
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        Path.parse(text)


def test_a_path_knows_its_parts() -> None:
    path = Path.of(5, 0) / 3
    assert (path.object_id, path.instance_id, path.resource_id, path.resource_instance_id) == (5, 0, 3, None)
    assert (path.parent, path.level, path.segments) == (Path.of(5, 0), 3, ("5", "0", "3"))
    assert Path.of(5).contains(path)
    assert not Path.of(5, 0, 3).contains(Path.of(5))


def test_links_keep_quotes_and_valueless_attributes() -> None:
    text = '</>;rt="oma.lwm2m";ct="60 110",</1>;ver=1.1,</3/0/7>;dim=2;hb'
    links = parse_links(text)
    assert links[0] == Link("/", (("rt", '"oma.lwm2m"'), ("ct", '"60 110"')))
    assert (links[0].attribute("ct"), links[2].attribute("hb"), links[2].attribute("dim")) == ("60 110", None, "2")
    assert format_links(links) == text


def test_a_comma_or_quote_inside_quotes_is_content() -> None:
    assert parse_links(r'</a>;t="x,</b>;\"y\""')[0].attribute("t") == 'x,</b>;"y"'
    assert parse_links("") == ()


@pytest.mark.parametrize("text", ["</1", "/1", "</1></2>", "</1>,", "</1>;=3", '</1>;a="', "</1>,," + "x" * 50])
def test_broken_links_are_refused(text: str) -> None:
    with pytest.raises(CodecError):
        parse_links(text)


def test_too_many_links_are_refused() -> None:
    assert len(parse_links(",".join(["</1>"] * MAX_LINKS))) == MAX_LINKS
    with pytest.raises(CodecError, match="more than"):
        parse_links(",".join(["</1>"] * (MAX_LINKS + 1)))
