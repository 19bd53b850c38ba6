"""The formats that carry one value: text (0), link (40), opaque (42) and CBOR (60)."""

import base64
import binascii
import re

import cbor2

from lwm2m.codecs.cbor import read_cbor
from lwm2m.codecs.lwm2m_cbor import kind_of, plain_value
from lwm2m.errors import CodecError
from lwm2m.links import parse_links
from lwm2m.nodes import Node, Resource, ResourceInstance, node_for, resource_type
from lwm2m.objects import STANDARD, ObjectRegistry
from lwm2m.paths import Path
from lwm2m.values import ObjectLink, ResourceType, Value, check_value

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_FLOAT = re.compile(r"[+-]?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?")


def encode_text(path: Path, node: Node) -> bytes:
    """A value as people write it; opaque in base64."""
    match _value(path, node):
        case bool(value):
            return b"1" if value else b"0"
        case bytes(value):
            return base64.b64encode(value)
        case value:
            return str(value).encode()


def decode_text(path: Path, payload: bytes, models: ObjectRegistry = STANDARD) -> Node:
    """Read a text by the type of its resource; an unknown resource is a string."""
    kind = resource_type(path, models) or ResourceType.STRING
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise CodecError(f"the text of {path} is not UTF-8") from error
    return node_for(path, check_value(kind, _parse_text(kind, text)), kind)


def _parse_text(kind: ResourceType, text: str) -> Value:
    match kind:
        case ResourceType.INTEGER | ResourceType.UNSIGNED_INTEGER | ResourceType.TIME if _INTEGER.fullmatch(text):
            return int(text)
        case ResourceType.FLOAT if _FLOAT.fullmatch(text):
            return float(text)
        case ResourceType.BOOLEAN if text in ("0", "1"):
            return text == "1"
        case ResourceType.OBJLNK:
            return ObjectLink.parse(text)
        case ResourceType.OPAQUE:
            try:
                return base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError) as error:
                raise CodecError("an opaque value in a text is base64, this is not") from error
        case ResourceType.STRING | ResourceType.CORELINK:
            return text
        case _:
            raise CodecError(f"{text[:40]!r} is no {kind}")


def encode_opaque(path: Path, node: Node) -> bytes:
    """The bytes themselves."""
    value = _value(path, node)
    if not isinstance(value, bytes):
        raise CodecError(f"{path} is no opaque value")
    return value


def decode_opaque(path: Path, payload: bytes, models: ObjectRegistry = STANDARD) -> Node:
    """The bytes themselves, which only an opaque or unknown resource can be."""
    kind = resource_type(path, models) or ResourceType.OPAQUE
    return node_for(path, check_value(kind, payload), kind)


def encode_link(path: Path, node: Node) -> bytes:
    """A core link value."""
    value = _value(path, node)
    if not isinstance(value, str):
        raise CodecError(f"{path} is no link")
    return value.encode()


def decode_link(path: Path, payload: bytes, _models: ObjectRegistry = STANDARD) -> Node:
    """A core link value, checked to be link format; the format says the type, so no model is asked."""
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise CodecError("links are UTF-8, these are not") from error
    parse_links(text)
    return node_for(path, text, ResourceType.CORELINK)


def encode_cbor(path: Path, node: Node) -> bytes:
    """One CBOR item; an object link is a text."""
    value = _value(path, node)
    return cbor2.dumps(str(value) if isinstance(value, ObjectLink) else value)


def decode_cbor(path: Path, payload: bytes, models: ObjectRegistry = STANDARD) -> Node:
    """One CBOR item by the type of its resource; an unknown resource has the item's type."""
    item = read_cbor(payload)
    kind = resource_type(path, models) or kind_of(item)
    return node_for(path, check_value(kind, plain_value(kind, item)), kind)


def _value(path: Path, node: Node) -> Value:
    if not isinstance(node, Resource | ResourceInstance):
        raise CodecError(f"{path} holds more than one value: this format carries one")
    return check_value(node.type, node.value)
