"""SenML (RFC 8428) in JSON (110) and CBOR (112): a list of records, each a name and a value."""

import base64
import binascii
import json
import math
from collections.abc import Mapping
from datetime import datetime

import cbor2

from lwm2m.codecs.plain import load_cbor
from lwm2m.errors import CodecError, PathError
from lwm2m.nodes import Leaf, Node, assemble, flatten, resource_type
from lwm2m.paths import Path
from lwm2m.values import ObjectLink, ResourceType, Value, check_value

MAX_RECORDS = 10_000
_CBOR_LABELS: dict[str, int | str] = {
    "bn": -2,
    "bt": -3,
    "n": 0,
    "v": 2,
    "vs": 3,
    "vb": 4,
    "t": 6,
    "vd": 8,
    "vlo": "vlo",
}
_NAMES = {label: name for name, label in _CBOR_LABELS.items()}
_VALUE_KEYS = ("v", "vs", "vb", "vd", "vlo")
_FALLBACK = {
    "vs": ResourceType.STRING,
    "vb": ResourceType.BOOLEAN,
    "vd": ResourceType.OPAQUE,
    "vlo": ResourceType.OBJLNK,
}


def encode_json(path: Path, node: Node) -> bytes:
    """Records with the base name in the first, as compact JSON."""
    return json.dumps(_records(path, node, binary=False), separators=(",", ":"), allow_nan=False).encode()


def encode_cbor(path: Path, node: Node) -> bytes:
    """Records with the base name in the first, as CBOR with integer labels."""
    return cbor2.dumps(
        [{_CBOR_LABELS[name]: value for name, value in record.items()} for record in _records(path, node, binary=True)]
    )


def decode_json(path: Path, payload: bytes) -> Node:
    """Read SenML JSON."""
    try:
        pack = json.loads(payload, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise CodecError("the payload is no JSON") from error
    return assemble(path, _leaves(pack))


def decode_cbor(path: Path, payload: bytes) -> Node:
    """Read SenML CBOR; text labels are accepted beside the integer ones."""
    pack = load_cbor(payload)
    if not isinstance(pack, list):
        raise CodecError("a SenML pack is a list of records")
    records: list[object] = []
    for record in pack:
        if not isinstance(record, Mapping):
            raise CodecError("a SenML record is a map")
        records.append({_NAMES.get(key, key): value for key, value in record.items() if isinstance(key, int | str)})
    return assemble(path, _leaves(records))


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _records(path: Path, node: Node, *, binary: bool) -> list[dict[str, object]]:
    records: list[dict[str, object]] = []
    for leaf in flatten(path, node):
        relative = leaf.path.ids[path.level :]
        record: dict[str, object] = {} if records else {"bn": str(path)}
        if relative:
            # Names are joined to the base name as they are (RFC 8428, 4.5.1), so the slash must be in one of them.
            prefix = "" if path.level == 0 else "/"
            record["n"] = prefix + "/".join(str(number) for number in relative)
        key, value = _to_wire(leaf.type, leaf.value, binary=binary)
        records.append(record | {key: value})
    return records


def _to_wire(kind: ResourceType, value: Value, *, binary: bool) -> tuple[str, object]:
    match check_value(kind, value):
        case bool(flag):
            return "vb", flag
        case bytes(data):
            return "vd", data if binary else base64.urlsafe_b64encode(data).rstrip(b"=").decode()
        case ObjectLink() as link:
            return "vlo", str(link)
        case str(text):
            return "vs", text
        case float(number) if not binary and not math.isfinite(number):
            raise CodecError("JSON has no infinite numbers")
        case number:
            return "v", number


def _leaves(pack: object) -> list[Leaf]:
    if not isinstance(pack, list):
        raise CodecError("a SenML pack is a list of records")
    if len(pack) > MAX_RECORDS:
        raise CodecError(f"a SenML pack of {len(pack)} records is larger than {MAX_RECORDS}")
    leaves: list[Leaf] = []
    base = ""
    for record in pack:
        if not isinstance(record, Mapping):
            raise CodecError("a SenML record is a map")
        base = _text(record.get("bn", base))
        keys = [key for key in _VALUE_KEYS if key in record]
        if not keys and "n" not in record:
            continue  # sets base values only
        path = _path(base + _text(record.get("n", "")))
        if len(keys) != 1:
            raise CodecError(f"the SenML record of {path} has {len(keys)} values, not one")
        if path.level < 3:
            raise CodecError(f"{path} has no value of its own")
        leaves.append(_leaf(path, keys[0], record[keys[0]]))
    return leaves


def _path(name: str) -> Path:
    try:
        return Path.parse(name)
    except PathError as error:
        raise CodecError(f"a SenML name is no path: {error}") from error


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > 64:
        raise CodecError("a SenML name is a short text")
    return value


def _leaf(path: Path, key: str, wire: object) -> Leaf:
    kind = resource_type(path) or _FALLBACK.get(key) or _number_kind(wire)
    value = wire
    if key == "vd" and isinstance(wire, str):
        value = _from_base64(wire)
    elif key == "vlo" or (kind is ResourceType.OBJLNK and isinstance(wire, str)):
        value = ObjectLink.parse(_text(wire))
    elif kind is ResourceType.TIME and isinstance(wire, datetime):
        value = int(wire.timestamp())
    elif kind is ResourceType.TIME and isinstance(wire, float) and math.isfinite(wire):
        value = int(wire)  # SenML times may have fractions; LwM2M's are whole seconds
    return Leaf(path, kind, check_value(kind, value))


def _number_kind(wire: object) -> ResourceType:
    return ResourceType.FLOAT if isinstance(wire, float) else ResourceType.INTEGER


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise CodecError("an opaque SenML value is base64url, this is not") from error
