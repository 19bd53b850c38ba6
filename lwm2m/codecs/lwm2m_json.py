"""LwM2M JSON, content format 11543 (Core 1.0.2, section 6.4.4): a base name and a list of named values."""

import base64
import binascii
import json
import math
from collections.abc import Mapping

from lwm2m.codecs.records import MAX_NAME, MAX_RECORDS, Record, add_times, newest, record_path, short_text
from lwm2m.codecs.senml import load_json
from lwm2m.errors import CodecError
from lwm2m.nodes import Leaf, Node, assemble, flatten, resource_type
from lwm2m.objects import STANDARD, ObjectRegistry
from lwm2m.paths import Path
from lwm2m.values import ObjectLink, ResourceType, check_value

_VALUE_KEYS = ("v", "bv", "sv", "ov")
_FALLBACK = {"bv": ResourceType.BOOLEAN, "sv": ResourceType.STRING, "ov": ResourceType.OBJLNK}


def encode(path: Path, node: Node) -> bytes:
    """The values with their names relative to `path`, which is the base name."""
    entries: list[dict[str, object]] = []
    for leaf in flatten(path, node):
        relative = "/".join(str(number) for number in leaf.path.ids[path.level :])
        entries.append(({"n": relative} if relative else {}) | _to_wire(leaf))
    whole = any("n" not in entry for entry in entries)
    base = str(path) if whole else f"{str(path).rstrip('/')}/"
    return json.dumps({"bn": base, "e": entries}, separators=(",", ":"), allow_nan=False).encode()


def decode(path: Path, payload: bytes, models: ObjectRegistry = STANDARD) -> Node:
    """Read LwM2M JSON; without a base name the names are relative to the path that was asked for."""
    return assemble(path, newest(read_records(path, payload, models)), models)


def read_records(path: Path, payload: bytes, models: ObjectRegistry = STANDARD) -> list[Record]:
    """The values of a payload with their times.

    Raises:
        CodecError: the payload is no LwM2M JSON, or an entry has no path, no value, several, or one that does not fit.
    """
    content = load_json(payload)
    entries = content.get("e") if isinstance(content, Mapping) else None
    if not isinstance(content, Mapping) or not isinstance(entries, list):
        raise CodecError("LwM2M JSON is an object with a list e of entries")
    if len(entries) > MAX_RECORDS:
        raise CodecError(f"{len(entries)} entries are more than {MAX_RECORDS}")
    base = short_text(content.get("bn", str(path)))
    records: list[Record] = []
    for entry in entries:
        if not isinstance(entry, Mapping):
            raise CodecError("an entry of LwM2M JSON is an object")
        where = _join(base, short_text(entry.get("n", "")))
        keys = [key for key in _VALUE_KEYS if key in entry]
        if len(keys) != 1:
            raise CodecError(f"the entry of {where} has {len(keys)} values, not one")
        if where.level < 3:
            raise CodecError(f"{where} has no value of its own")
        time = add_times(content.get("bt"), entry.get("t"))
        records.append(Record(_leaf(where, keys[0], entry[keys[0]], models), time))
    return records


def _join(base: str, name: str) -> Path:
    """Devices end the base name with a slash, begin the name with one, or leave it out: all mean the same."""
    if not name:
        return record_path(base.rstrip("/"))
    return record_path(f"{base.rstrip('/')}/{name.removeprefix('/')}")


def _to_wire(leaf: Leaf) -> dict[str, object]:
    match check_value(leaf.type, leaf.value):
        case bool(flag):
            return {"bv": flag}
        case bytes(data):
            return {"sv": base64.b64encode(data).decode()}
        case ObjectLink() as link:
            return {"ov": str(link)}
        case str(text):
            return {"sv": text}
        case float(number) if not math.isfinite(number):
            raise CodecError("JSON has no infinite numbers")
        case number:
            return {"v": number}


def _leaf(path: Path, key: str, wire: object, models: ObjectRegistry) -> Leaf:
    kind = resource_type(path, models) or _FALLBACK.get(key)
    if kind is None:
        kind = ResourceType.FLOAT if isinstance(wire, float) else ResourceType.INTEGER
    value = wire
    if kind is ResourceType.OPAQUE and isinstance(wire, str):
        try:
            value = base64.b64decode(wire, validate=True)
        except (binascii.Error, ValueError) as error:
            raise CodecError("an opaque value in LwM2M JSON is base64, this is not") from error
    elif kind is ResourceType.OBJLNK and isinstance(wire, str):
        if len(wire) > MAX_NAME:
            raise CodecError("an object link is a short text")
        value = ObjectLink.parse(wire)
    return Leaf(path, kind, check_value(kind, value))
