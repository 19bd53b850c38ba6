"""Reads object models from OMA's XML files (device description files), which come from anywhere."""

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from lwm2m.errors import CodecError
from lwm2m.objects.model import ObjectModel, Operations, ResourceModel, standard_urn
from lwm2m.values import ResourceType

MAX_FILES = 5_000  # the whole OMA registry has about a thousand
MAX_FILE = 1 << 20  # bytes of one file
MAX_OBJECTS = 100  # objects in one file
MAX_RESOURCES = 2_000  # resources of one object
MAX_DEPTH = 16  # nested elements
MAX_NUMBER = 65534  # of an object or a resource
_log = logging.getLogger(__name__)

_VERSION = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}")
_NUMBER = re.compile(r"[0-9]{1,5}")
_OPERATIONS = {"": Operations.NONE, "NONE": Operations.NONE, "WR": Operations.READ_WRITE} | {
    operation.value: operation for operation in Operations
}
_TYPES = {
    "": ResourceType.NONE,
    "none": ResourceType.NONE,
    "string": ResourceType.STRING,
    "integer": ResourceType.INTEGER,
    "unsigned integer": ResourceType.UNSIGNED_INTEGER,
    "float": ResourceType.FLOAT,
    "boolean": ResourceType.BOOLEAN,
    "opaque": ResourceType.OPAQUE,
    "time": ResourceType.TIME,
    "objlnk": ResourceType.OBJLNK,
    "corelnk": ResourceType.CORELINK,
}


def load_objects(folder: Path) -> tuple[ObjectModel, ...]:
    """The objects of every *.xml file in a folder, files in order of name; other XML is passed over.

    Raises:
        CodecError: a file is no XML, or describes an object as none may be; the text names the file.
    """
    files = sorted(path for path in folder.glob("*.xml") if path.is_file())
    if len(files) > MAX_FILES:
        raise CodecError(f"{folder.name} has {len(files)} XML files, more than {MAX_FILES}")
    models: list[ObjectModel] = []
    for path in files:
        with path.open("rb") as source:
            content = source.read(MAX_FILE + 1)
        try:
            found = parse_objects(content)
        except CodecError as error:
            raise CodecError(f"{path.name}: {error}") from error
        if not found:
            _log.info("no LwM2M object in the file: %s", path.name)
        models.extend(found)
    return tuple(models)


def parse_objects(content: bytes) -> tuple[ObjectModel, ...]:
    """The objects that one file describes; none when it is XML of another kind.

    Raises:
        CodecError: the content is too large, no XML, has a document type (and so could define entities), or
            describes an object as none may be.
    """
    if len(content) > MAX_FILE:
        raise CodecError(f"the file is larger than {MAX_FILE} bytes")
    collector = _Collector()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = collector.start
    parser.EndElementHandler = collector.end
    parser.CharacterDataHandler = collector.text
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise CodecError(f"no XML: {error}") from error
    except (LookupError, ValueError) as error:  # an encoding that Python does not have, or that is no text
        if isinstance(error, CodecError):
            raise
        raise CodecError("the XML has an encoding that is not known") from error
    return tuple(_object(each) for each in collector.objects)


def _refuse_doctype(*_: object) -> None:
    raise CodecError("a document type is not read: it could define entities")


@dataclass(slots=True)
class _Element:
    """An Object or an Item as found: the texts of its children."""

    id: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    items: list["_Element"] = field(default_factory=list)


class _Collector:
    """Keeps the texts below LWM2M/Object and LWM2M/Object/Resources/Item."""

    def __init__(self) -> None:
        self.objects: list[_Element] = []
        self._path: list[str] = []
        self._text: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        self._text.clear()
        if len(self._path) > MAX_DEPTH:
            raise CodecError(f"the XML is nested more than {MAX_DEPTH} deep")
        if self._path == ["LWM2M", "Object"]:
            if len(self.objects) >= MAX_OBJECTS:
                raise CodecError(f"the file has more than {MAX_OBJECTS} objects")
            self.objects.append(_Element())
        elif self._path == ["LWM2M", "Object", "Resources", "Item"]:
            items = self.objects[-1].items
            if len(items) >= MAX_RESOURCES:
                raise CodecError(f"an object has more than {MAX_RESOURCES} resources")
            items.append(_Element(attributes.get("ID", "")))

    def text(self, data: str) -> None:
        self._text.append(data)

    def end(self, name: str) -> None:
        text = "".join(self._text).strip()
        self._text.clear()
        match self._path:
            case ["LWM2M", "Object", _]:
                # Some files have an empty Description2 beside the real one.
                self.objects[-1].texts[name] = text or self.objects[-1].texts.get(name, "")
            case ["LWM2M", "Object", "Resources", "Item", _]:
                self.objects[-1].items[-1].texts[name] = text
        self._path.pop()


def _object(found: _Element) -> ObjectModel:
    texts = found.texts
    number = _number(texts.get("ObjectID", ""), "ObjectID")
    version = _version(texts.get("ObjectVersion", ""), "ObjectVersion")
    resources = [_resource(each) for each in found.items]
    if len({resource.id for resource in resources}) != len(resources):
        raise CodecError(f"object {number} has a resource twice")
    return ObjectModel(
        id=number,
        name=texts.get("Name", ""),
        version=version,
        multiple=texts.get("MultipleInstances", "").lower() == "multiple",
        mandatory=texts.get("Mandatory", "").lower() == "mandatory",
        resources={resource.id: resource for resource in resources},
        urn=texts.get("ObjectURN") or standard_urn(number, version),
        lwm2m_version=_version(texts.get("LWM2MVersion", ""), "LWM2MVersion"),
        description=texts.get("Description1", ""),
        description2=texts.get("Description2", ""),
    )


def _resource(found: _Element) -> ResourceModel:
    texts = found.texts
    number = _number(found.id, "an Item's ID")
    operations = _OPERATIONS.get(texts.get("Operations", "").replace(" ", "").upper())
    kind = _TYPES.get(" ".join(texts.get("Type", "").lower().split()))
    if operations is None or kind is None:
        raise CodecError(f"resource {number} has operations or a type that LwM2M does not have")
    return ResourceModel(
        id=number,
        name=texts.get("Name", ""),
        operations=operations,
        type=kind,
        multiple=texts.get("MultipleInstances", "").lower() == "multiple",
        mandatory=texts.get("Mandatory", "").lower() == "mandatory",
        range=texts.get("RangeEnumeration", ""),
        units=texts.get("Units", ""),
        description=texts.get("Description", ""),
    )


def _number(text: str, what: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > MAX_NUMBER:
        raise CodecError(f"{what} is no number of 0..{MAX_NUMBER}")
    return int(text)


def _version(text: str, what: str) -> str:
    if text and not _VERSION.fullmatch(text):
        raise CodecError(f"{what} is no version such as 1.0")
    return text or "1.0"
