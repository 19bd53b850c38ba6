"""Object models from OMA's XML files: what is read, and what a hostile or broken file comes to."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m.errors import CodecError
from lwm2m.objects import STANDARD, Operations, ResourceModel, load_objects
from lwm2m.objects.ddf import MAX_FILE, MAX_OBJECTS, MAX_RESOURCES, parse_objects
from lwm2m.values import ResourceType

DDF = """<?xml version="1.0" encoding="utf-8"?>
<!-- A comment, as they all have -->
<LWM2M xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
       xsi:noNamespaceSchemaLocation="http://openmobilealliance.org/tech/profiles/LWM2M.xsd">
  <Object ObjectType="MODefinition">
    <Name>Test</Name>
    <Description1><![CDATA[Tests &
      more]]></Description1>
    <ObjectID>31024</ObjectID>
    <ObjectURN>urn:oma:lwm2m:x:31024:2.1</ObjectURN>
    <LWM2MVersion>1.1</LWM2MVersion>
    <ObjectVersion>2.1</ObjectVersion>
    <MultipleInstances>Multiple</MultipleInstances>
    <Mandatory>Optional</Mandatory>
    <Resources>
      <Item ID="1">
        <Name> Number </Name>
        <Operations>RW</Operations>
        <MultipleInstances>Single</MultipleInstances>
        <Mandatory>Mandatory</Mandatory>
        <Type>Unsigned Integer</Type>
        <RangeEnumeration>0..255</RangeEnumeration>
        <Units>s</Units>
        <Description><![CDATA[A number.]]></Description>
      </Item>
      <Item ID="2"><Name>Run</Name><Operations>E</Operations><Type></Type></Item>
      <Item ID="3"><Name>Hidden</Name><Operations/><Type>Objlnk</Type><MultipleInstances>Multiple</MultipleInstances>
      </Item>
    </Resources>
    <Description2></Description2>
  </Object>
</LWM2M>
"""


def with_object(inside: str) -> bytes:
    return f"<LWM2M><Object>{inside}</Object></LWM2M>".encode()


def with_item(inside: str, number: str = "1") -> bytes:
    return with_object(f'<ObjectID>1</ObjectID><Resources><Item ID="{number}">{inside}</Item></Resources>')


def test_a_file_of_the_registry_is_read() -> None:
    (found,) = parse_objects(DDF.encode())
    assert (found.id, found.name, found.version, found.lwm2m_version) == (31024, "Test", "2.1", "1.1")
    assert (found.urn, found.multiple, found.mandatory) == ("urn:oma:lwm2m:x:31024:2.1", True, False)
    assert (found.description, found.description2) == ("Tests &\n      more", "")
    assert found.resources == {
        1: ResourceModel(
            1,
            "Number",
            Operations.READ_WRITE,
            ResourceType.UNSIGNED_INTEGER,
            multiple=False,
            mandatory=True,
            range="0..255",
            units="s",
            description="A number.",
        ),
        2: ResourceModel(2, "Run", Operations.EXECUTE, ResourceType.NONE, multiple=False, mandatory=False),
        3: ResourceModel(3, "Hidden", Operations.NONE, ResourceType.OBJLNK, multiple=True, mandatory=False),
    }


def test_versions_and_the_urn_may_be_missing() -> None:
    (found,) = parse_objects(with_object("<ObjectID>3303</ObjectID>"))
    assert (found.version, found.lwm2m_version, found.urn) == ("1.0", "1.0", "urn:oma:lwm2m:ext:3303")


def test_a_folder_is_read_in_order_and_other_files_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "b.xml").write_text(DDF)
    (tmp_path / "a.xml").write_bytes(with_object("<ObjectID>3303</ObjectID><ObjectVersion>1.1</ObjectVersion>"))
    (tmp_path / "units.xml").write_text("<units><unit>s</unit></units>")
    (tmp_path / "README.md").write_text("no XML")
    (tmp_path / "folder.xml").mkdir()
    models = load_objects(tmp_path)
    assert [(model.id, model.version) for model in models] == [(3303, "1.1"), (31024, "2.1")]
    registry = STANDARD.extended(models)
    assert registry.find_object(31024) is models[1]
    assert registry.find_object(3303, "1.1") is models[0]


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.xml").write_text("<LWM2M>")
    with pytest.raises(CodecError, match=r"broken\.xml: no XML"):
        load_objects(tmp_path)


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "large.xml").write_bytes(b" " * (MAX_FILE + 1))
    with pytest.raises(CodecError, match=r"large\.xml: the file is larger"):
        load_objects(tmp_path)


BOMB = b"""<!DOCTYPE LWM2M [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<LWM2M><Object><Name>&b;</Name></Object></LWM2M>"""
OUTSIDE = (
    b"""<!DOCTYPE LWM2M [<!ENTITY a SYSTEM "file:///etc/hostname">]><LWM2M><Object><Name>&a;</Name></Object></LWM2M>"""
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (BOMB, "document type"),
        (OUTSIDE, "document type"),
        (b'<!DOCTYPE LWM2M SYSTEM "http://127.0.0.1/x.dtd"><LWM2M/>', "document type"),
        (b"<LWM2M><Object><Name>&b;</Name></Object></LWM2M>", "no XML"),
        (b"", "no XML"),
        (b"\x00\x01", "no XML"),
        (b'<?xml version="1.0" encoding="klingon"?><LWM2M/>', "encoding|no XML"),
        (b"<LWM2M>" + b"<a>" * 20 + b"</a>" * 20 + b"</LWM2M>", "deep"),
        (b"<LWM2M>" + b"<Object></Object>" * (MAX_OBJECTS + 1) + b"</LWM2M>", "objects"),
        (with_object("<Resources>" + '<Item ID="1"/>' * (MAX_RESOURCES + 1) + "</Resources>"), "resources"),
        (with_object("<ObjectID>1</ObjectID><Resources>" + '<Item ID="1"/>' * 2 + "</Resources>"), "twice"),
        (with_object("<ObjectID>65535</ObjectID>"), "ObjectID"),
        (with_object("<ObjectID>-1</ObjectID>"), "ObjectID"),
        (with_object(""), "ObjectID"),
        (with_object("<ObjectID>1</ObjectID><ObjectVersion>one</ObjectVersion>"), "ObjectVersion"),
        (with_object("<ObjectID>1</ObjectID><LWM2MVersion>1.</LWM2MVersion>"), "LWM2MVersion"),
        (with_item("", number="x"), "Item"),
        (with_item("<Type>Complex</Type>"), "type"),
        (with_item("<Operations>RX</Operations>"), "operations"),
    ],
)
def test_a_hostile_or_broken_file_is_a_codec_error(content: bytes, words: str) -> None:
    with pytest.raises(CodecError, match=words):
        parse_objects(content)


@settings(deadline=None)
@given(st.integers(0, len(DDF)), st.binary(max_size=6), st.integers(0, 6))
def test_a_damaged_file_is_objects_or_a_codec_error(start: int, inserted: bytes, removed: int) -> None:
    content = DDF.encode()
    try:
        models = parse_objects(content[:start] + inserted + content[start + removed :])
    except CodecError:
        return
    assert len(models) <= 1
