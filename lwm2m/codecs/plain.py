"""The formats that carry one value: text (0), link (40), opaque (42) and CBOR (60)."""

import base64
import binascii
import re
from datetime import datetime
from io import BytesIO

import cbor2

from lwm2m.errors import CodecError
from lwm2m.links import parse_links
from lwm2m.nodes import Node, Resource, ResourceInstance, node_for, resource_type
from lwm2m.paths import Path
from lwm2m.values import ObjectLink, ResourceType, Value, check_value

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_FLOAT = re.compile(r"[+-]?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?")
_MAX_CBOR_DEPTH = 8


def encode_text(path: Path, node: Node) -> bytes:
    """A value as people write it; opaque in base64."""
    match _value(path, node):
        case bool(value):
            return b"1" if value else b"0"
        case bytes(value):
            return base64.b64encode(value)
        case value:
            return str(value).encode()


def decode_text(path: Path, payload: bytes) -> Node:
    """Read a text by the type of its resource; an unknown resource is a string."""
    kind = resource_type(path) or ResourceType.STRING
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


def decode_opaque(path: Path, payload: bytes) -> Node:
    """The bytes themselves, which only an opaque or unknown resource can be."""
    kind = resource_type(path) or ResourceType.OPAQUE
    return node_for(path, check_value(kind, payload), kind)


def encode_link(path: Path, node: Node) -> bytes:
    """A core link value."""
    value = _value(path, node)
    if not isinstance(value, str):
        raise CodecError(f"{path} is no link")
    return value.encode()


def decode_link(path: Path, payload: bytes) -> Node:
    """A core link value, checked to be link format."""
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


def decode_cbor(path: Path, payload: bytes) -> Node:
    """One CBOR item by the type of its resource; an unknown resource has the item's type."""
    item = load_cbor(payload)
    kind = resource_type(path) or _kind_of(item)
    if kind is ResourceType.OBJLNK and isinstance(item, str):
        item = ObjectLink.parse(item)
    if kind is ResourceType.TIME and isinstance(item, datetime):
        item = int(item.timestamp())
    return node_for(path, check_value(kind, item), kind)


def load_cbor(payload: bytes) -> object:
    """Exactly one CBOR item, with bounded depth.

    Raises:
        CodecError: the bytes are no CBOR, nest too deeply or go on after the item.
    """
    source = BytesIO(payload)
    try:
        item: object = cbor2.CBORDecoder(source, max_depth=_MAX_CBOR_DEPTH, read_size=1).decode()
    except (cbor2.CBORError, ValueError, OverflowError) as error:
        raise CodecError(f"the payload is no CBOR: {error}") from error
    if source.tell() != len(payload):
        raise CodecError("bytes follow the CBOR item")
    return item


def _kind_of(item: object) -> ResourceType:
    match item:
        case bool():
            return ResourceType.BOOLEAN
        case int():
            return ResourceType.INTEGER
        case float():
            return ResourceType.FLOAT
        case bytes():
            return ResourceType.OPAQUE
        case datetime():
            return ResourceType.TIME
        case _:
            return ResourceType.STRING


def _value(path: Path, node: Node) -> Value:
    if not isinstance(node, Resource | ResourceInstance):
        raise CodecError(f"{path} holds more than one value: this format carries one")
    return node.value
