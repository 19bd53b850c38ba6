"""TLV, content format 11542 (Core 1.1.1, section 7.4.3): type, identifier and length in as few bytes as can be."""

import math
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from lwm2m.errors import CodecError
from lwm2m.nodes import Instance, MultiResource, Node, Object, Resource, ResourceInstance, Root, resource_type
from lwm2m.objects import STANDARD, ObjectRegistry
from lwm2m.paths import MAX_ID, Path
from lwm2m.values import ObjectLink, ResourceType, Value, check_value

MAX_ENTRIES = 10_000  # on one level


class _Kind(IntEnum):
    OBJECT_INSTANCE = 0
    RESOURCE_INSTANCE = 1
    MULTIPLE_RESOURCE = 2
    RESOURCE = 3


class _Entry(NamedTuple):
    kind: _Kind
    id: int
    value: bytes


def encode(path: Path, node: Node) -> bytes:
    """The content of `path`: an object's instances, an instance's resources, or one resource."""
    match node:
        case Root():
            raise CodecError("TLV cannot carry more than one object")
        case Object(instances=instances):
            return b"".join(_entry(_Kind.OBJECT_INSTANCE, each.id, encode(path / each.id, each)) for each in instances)
        case Instance(resources=resources):
            return b"".join(encode(path / each.id, each) for each in resources)
        case MultiResource(id=number, instances=values):
            content = b"".join(
                _entry(_Kind.RESOURCE_INSTANCE, each.id, _pack(each.type, each.value)) for each in values
            )
            return _entry(_Kind.MULTIPLE_RESOURCE, number, content)
        case Resource(id=number, type=kind, value=value):
            return _entry(_Kind.RESOURCE, number, _pack(kind, value))
        case ResourceInstance(id=number, type=kind, value=value):
            return _entry(_Kind.RESOURCE_INSTANCE, number, _pack(kind, value))


def decode(path: Path, payload: bytes, models: ObjectRegistry = STANDARD) -> Node:
    """Read TLV by the models of its resources; an unknown resource is opaque.

    Devices differ in whether the answer repeats the level that was asked for (an instance wrapped in an
    object-instance entry, a value in its multiple resource): both are read.
    """
    entries = list(_entries(payload))
    match path.level:
        case 1:
            return _object(models, path, entries)
        case 2:
            return _instance(models, path, _unwrap(_Kind.OBJECT_INSTANCE, path.ids[1], entries))
        case 3:
            entries = _unwrap(_Kind.OBJECT_INSTANCE, path.ids[1], entries)
            if any(entry.kind is _Kind.RESOURCE_INSTANCE for entry in entries):
                return _multiple(models, path, entries)
            return _resource(models, path.parent, _only(path, path.ids[2], entries))
        case 4:
            entries = _unwrap(_Kind.MULTIPLE_RESOURCE, path.ids[2], entries)
            return _resource_instance(models, path.parent, _only(path, path.ids[3], entries))
        case _:
            raise CodecError("TLV cannot carry more than one object")


def _entry(kind: _Kind, number: int, value: bytes) -> bytes:
    header = kind << 6
    identifier = number.to_bytes(2 if number > 0xFF else 1, "big")
    header |= (len(identifier) - 1) << 5
    size = len(value)
    if size < 8:
        return bytes([header | size]) + identifier + value
    width = (size.bit_length() + 7) // 8
    if width > 3:
        raise CodecError("the value is longer than TLV can say")
    return bytes([header | width << 3]) + identifier + size.to_bytes(width, "big") + value


def _entries(payload: bytes) -> Iterator[_Entry]:
    position = count = 0
    while position < len(payload):
        count += 1
        if count > MAX_ENTRIES:
            raise CodecError(f"the TLV has more than {MAX_ENTRIES} entries on one level")
        header = payload[position]
        id_end = position + 1 + (2 if header & 0x20 else 1)
        width = header >> 3 & 3
        start = id_end + width
        if start > len(payload):
            raise CodecError("the TLV ends inside an entry's head")
        number = int.from_bytes(payload[position + 1 : id_end], "big")
        size = int.from_bytes(payload[id_end:start], "big") if width else header & 7
        position = start + size
        if position > len(payload):
            raise CodecError("the TLV ends inside a value")
        if number > MAX_ID:
            raise CodecError(f"identifier {number} is reserved")
        yield _Entry(_Kind(header >> 6), number, payload[start:position])


def _unwrap(kind: _Kind, number: int, entries: list[_Entry]) -> list[_Entry]:
    if len(entries) == 1 and entries[0].kind is kind and entries[0].id == number:
        return list(_entries(entries[0].value))
    return entries


def _only(path: Path, number: int, entries: list[_Entry]) -> _Entry:
    if len(entries) != 1 or entries[0].id != number:
        raise CodecError(f"the TLV does not hold {path} alone")
    return entries[0]


def _object(models: ObjectRegistry, path: Path, entries: list[_Entry]) -> Object:
    if entries and all(entry.kind in (_Kind.RESOURCE, _Kind.MULTIPLE_RESOURCE) for entry in entries):
        # A device with a single instance may leave the instance entry out.
        return Object(path.ids[0], (_instance(models, path / 0, entries),))
    if any(entry.kind is not _Kind.OBJECT_INSTANCE for entry in entries):
        raise CodecError(f"the TLV of {path} mixes levels")
    _distinct(path, entries)
    return Object(path.ids[0], tuple(_instance(models, path / each.id, list(_entries(each.value))) for each in entries))


def _instance(models: ObjectRegistry, path: Path, entries: list[_Entry]) -> Instance:
    _distinct(path, entries)
    return Instance(path.ids[1], tuple(_resource(models, path, entry) for entry in entries))


def _resource(models: ObjectRegistry, instance: Path, entry: _Entry) -> Resource | MultiResource:
    path = instance / entry.id
    if entry.kind is _Kind.MULTIPLE_RESOURCE:
        return _multiple(models, path, list(_entries(entry.value)))
    if entry.kind is not _Kind.RESOURCE:
        raise CodecError(f"the TLV entry of {path} is no resource")
    kind = resource_type(path, models) or ResourceType.OPAQUE
    return Resource(entry.id, kind, _unpack(path, kind, entry.value))


def _multiple(models: ObjectRegistry, path: Path, entries: list[_Entry]) -> MultiResource:
    _distinct(path, entries)
    kind = resource_type(path, models) or ResourceType.OPAQUE
    return MultiResource(path.ids[2], kind, tuple(_resource_instance(models, path, entry) for entry in entries))


def _resource_instance(models: ObjectRegistry, resource: Path, entry: _Entry) -> ResourceInstance:
    if entry.kind is not _Kind.RESOURCE_INSTANCE:
        raise CodecError(f"the TLV entry below {resource} is no resource instance")
    kind = resource_type(resource, models) or ResourceType.OPAQUE
    return ResourceInstance(entry.id, kind, _unpack(resource / entry.id, kind, entry.value))


def _distinct(path: Path, entries: list[_Entry]) -> None:
    if len({entry.id for entry in entries}) != len(entries):
        raise CodecError(f"the TLV holds something below {path} twice")


def _pack(kind: ResourceType, value: Value) -> bytes:
    match check_value(kind, value):
        case bool(flag):
            return b"\x01" if flag else b"\x00"
        case int(number):
            signed = kind is not ResourceType.UNSIGNED_INTEGER
            bits = (number if number >= 0 else ~number).bit_length() + signed
            width = next(width for width in (1, 2, 4, 8) if bits <= width * 8)
            return number.to_bytes(width, "big", signed=signed)
        case float(number):
            return _pack_float(number)
        case str(text):
            return text.encode()
        case bytes(data):
            return data
        case ObjectLink(object_id=left, instance_id=right):
            return struct.pack(">HH", left, right)


def _pack_float(number: float) -> bytes:
    if not math.isfinite(number) or abs(number) < 3.4e38:
        short = struct.pack(">f", number)
        if struct.unpack(">f", short)[0] == number:
            return short
    return struct.pack(">d", number)


def _unpack(path: Path, kind: ResourceType, data: bytes) -> Value:
    match kind:
        case ResourceType.INTEGER | ResourceType.TIME if len(data) in (1, 2, 4, 8):
            return int.from_bytes(data, "big", signed=True)
        case ResourceType.UNSIGNED_INTEGER if len(data) in (1, 2, 4, 8):
            return int.from_bytes(data, "big")
        case ResourceType.FLOAT if len(data) in (4, 8):
            number: float = struct.unpack(">f" if len(data) == 4 else ">d", data)[0]
            return number
        case ResourceType.BOOLEAN if data in (b"\x00", b"\x01"):
            return data == b"\x01"
        case ResourceType.OBJLNK if len(data) == 4:
            return ObjectLink(*struct.unpack(">HH", data))
        case ResourceType.OPAQUE:
            return data
        case ResourceType.STRING | ResourceType.CORELINK:
            try:
                return data.decode()
            except UnicodeDecodeError as error:
                raise CodecError(f"the string of {path} is not UTF-8") from error
        case _:
            raise CodecError(f"{len(data)} bytes cannot be the {kind} of {path}")
