"""SenML (RFC 8428) in JSON (110) and CBOR (112): a list of records, each a name, a value and perhaps a time."""

import base64
import binascii
import json
import math
from collections.abc import Iterable, Mapping

import cbor2

from lwm2m.codecs.cbor import CborMap, Epoch, read_cbor
from lwm2m.codecs.records import MAX_RECORDS, Record, add_times, newest, record_path, short_text
from lwm2m.errors import CodecError
from lwm2m.nodes import Leaf, Node, assemble, flatten, resource_type
from lwm2m.objects import STANDARD, ObjectRegistry
from lwm2m.paths import Path
from lwm2m.values import ObjectLink, ResourceType, check_value

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
_NAMES = {label: name for name, label in _CBOR_LABELS.items()} | {-5: "bv"}
_VALUE_KEYS = ("v", "vs", "vb", "vd", "vlo")
_FALLBACK = {
    "vs": ResourceType.STRING,
    "vb": ResourceType.BOOLEAN,
    "vd": ResourceType.OPAQUE,
    "vlo": ResourceType.OBJLNK,
}

Pack = list[dict[str, object]]


def encode_json(path: Path, node: Node) -> bytes:
    """Records with the base name in the first, as compact JSON."""
    return write_json(pack_node(path, node, binary=False))


def encode_cbor(path: Path, node: Node) -> bytes:
    """Records with the base name in the first, as CBOR with integer labels."""
    return write_cbor(pack_node(path, node, binary=True))


def decode_json(path: Path, payload: bytes, models: ObjectRegistry = STANDARD) -> Node:
    """Read SenML JSON."""
    return assemble(path, newest(unpack(read_json(payload), models)), models)


def decode_cbor(path: Path, payload: bytes, models: ObjectRegistry = STANDARD) -> Node:
    """Read SenML CBOR; text labels are accepted beside the integer ones."""
    return assemble(path, newest(unpack(read_cbor_pack(payload), models)), models)


def write_json(pack: Pack) -> bytes:
    """A pack as compact JSON."""
    return json.dumps(pack, separators=(",", ":"), allow_nan=False).encode()


def write_cbor(pack: Pack) -> bytes:
    """A pack as CBOR with integer labels."""
    return cbor2.dumps([{_CBOR_LABELS[name]: value for name, value in record.items()} for record in pack])


def read_json(payload: bytes) -> list[Mapping[str, object]]:
    """The records of a JSON pack, their labels and values not yet checked."""
    return [_mapping(each) for each in _bounded(load_json(payload))]


def read_cbor_pack(payload: bytes) -> list[Mapping[str, object]]:
    """The records of a CBOR pack under their JSON labels, values not yet checked."""
    return [_record(each) for each in _bounded(read_cbor(payload))]


def load_json(payload: bytes) -> object:
    """JSON with finite numbers only.

    Raises:
        CodecError: the bytes are no such JSON.
    """
    try:
        content: object = json.loads(payload, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise CodecError("the payload is no JSON") from error
    return content


def pack_node(path: Path, node: Node, *, binary: bool) -> Pack:
    """The records of one node, named from its path."""
    pack: Pack = []
    for leaf in flatten(path, node):
        relative = leaf.path.ids[path.level :]
        record: dict[str, object] = {} if pack else {"bn": str(path)}
        if relative:
            # Names are joined to the base name as they are (RFC 8428, 4.5.1), so the slash must be in one of them.
            prefix = "" if path.level == 0 else "/"
            record["n"] = prefix + "/".join(str(number) for number in relative)
        pack.append(record | _to_wire(leaf, binary=binary))
    return pack


def pack_leaves(leaves: Iterable[Leaf], *, binary: bool) -> Pack:
    """Records with whole paths as names."""
    return [{"n": str(leaf.path)} | _to_wire(leaf, binary=binary) for leaf in leaves]


def unpack(pack: list[Mapping[str, object]], models: ObjectRegistry) -> list[Record]:
    """The values of a pack.

    Raises:
        CodecError: a record has no path, no value or several, or one that does not fit its resource.
    """
    records: list[Record] = []
    base, base_time = "", None
    for record in pack:
        base = short_text(record.get("bn", base))
        base_time = record.get("bt", base_time)
        if record.get("bv", 0) != 0:
            raise CodecError("SenML base values are not used in LwM2M")
        keys = [key for key in _VALUE_KEYS if key in record]
        if not keys and "n" not in record:
            continue  # sets base values only
        path = record_path(base + short_text(record.get("n", "")))
        if len(keys) != 1:
            raise CodecError(f"the SenML record of {path} has {len(keys)} values, not one")
        if path.level < 3:
            raise CodecError(f"{path} has no value of its own")
        time = add_times(base_time, record.get("t"))
        records.append(Record(_leaf(path, keys[0], record[keys[0]], models), time))
    return records


def unpack_paths(pack: list[Mapping[str, object]]) -> list[Path]:
    """The paths that a pack without values names: what a Read-Composite asks for.

    Raises:
        CodecError: a record has a value, or a name that is no path.
    """
    paths: list[Path] = []
    base = ""
    for record in pack:
        base = short_text(record.get("bn", base))
        if any(key in record for key in _VALUE_KEYS):
            raise CodecError("a request for paths carries no values")
        if "n" in record or record.get("bn"):
            paths.append(record_path(base + short_text(record.get("n", ""))))
    return paths


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large for a float")
    return number


def _bounded(pack: object) -> list[object]:
    if not isinstance(pack, list):
        raise CodecError("a SenML pack is a list of records")
    if len(pack) > MAX_RECORDS:
        raise CodecError(f"a SenML pack of {len(pack)} records is larger than {MAX_RECORDS}")
    return pack


def _mapping(item: object) -> Mapping[str, object]:
    if not isinstance(item, Mapping):
        raise CodecError("a SenML record is a map")
    return item


def _record(item: object) -> dict[str, object]:
    if not isinstance(item, CborMap):
        raise CodecError("a SenML record is a map")
    record: dict[str, object] = {}
    for key, value in item.pairs:
        name = _NAMES.get(key, key) if isinstance(key, int | str) else None
        if not isinstance(name, str):
            continue  # a label that LwM2M does not use
        if name in record:
            raise CodecError("a SenML record has a label twice")
        record[name] = value
    return record


def _to_wire(leaf: Leaf, *, binary: bool) -> dict[str, object]:
    match check_value(leaf.type, leaf.value):
        case bool(flag):
            return {"vb": flag}
        case bytes(data):
            return {"vd": data if binary else base64.urlsafe_b64encode(data).rstrip(b"=").decode()}
        case ObjectLink() as link:
            return {"vlo": str(link)}
        case str(text):
            return {"vs": text}
        case float(number) if not binary and not math.isfinite(number):
            raise CodecError("JSON has no infinite numbers")
        case number:
            return {"v": number}


def _leaf(path: Path, key: str, wire: object, models: ObjectRegistry) -> Leaf:
    kind = resource_type(path, models) or _FALLBACK.get(key) or _number_kind(wire)
    value: object = wire.seconds if isinstance(wire, Epoch) else wire
    if key == "vd" and isinstance(wire, str):
        value = _from_base64(wire)
    elif key == "vlo" or (kind is ResourceType.OBJLNK and isinstance(wire, str)):
        value = ObjectLink.parse(short_text(wire))
    elif kind is ResourceType.TIME and isinstance(value, float) and math.isfinite(value):
        value = int(value)  # SenML times may have fractions; LwM2M's are whole seconds
    return Leaf(path, kind, check_value(kind, value))


def _number_kind(wire: object) -> ResourceType:
    if isinstance(wire, Epoch):
        return ResourceType.TIME
    return ResourceType.FLOAT if isinstance(wire, float) else ResourceType.INTEGER


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise CodecError("an opaque SenML value is base64url, this is not") from error
