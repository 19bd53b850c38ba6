"""A bootstrap configuration as Leshan's JSON, in and out: which instances of Objects 0, 1 and 21 it stands for."""

from collections.abc import Mapping
from typing import NamedTuple, cast

from lwm2m.bootstrap_store import OSCORE, SECURITY, SERVER, BootstrapConfig
from lwm2m.errors import BadRequest
from lwm2m.leshan_json import Json
from lwm2m.nodes import Instance, Resource
from lwm2m.paths import Path
from lwm2m.values import ObjectLink, ResourceType, Value, check_value

MAX_BYTES = 4096  # of one key
MODES = ("PSK", "RPK", "X509", "NO_SEC", "EST")  # Object 0, resource 2, by number
SMS_MODES = ("RESERVED", "DTLS_PSK", "SEC_PACKET_STRUCT", "NO_SEC", "PROPRIETARY")  # Object 0, resource 6, by number
NULL_LINK = 65535


class _Field(NamedTuple):
    """A name in Leshan's JSON, the resource that it stands for, and the words for its numbers."""

    name: str
    resource: int
    type: ResourceType
    words: tuple[str, ...] = ()


_INTEGER, _BOOLEAN, _OPAQUE = ResourceType.INTEGER, ResourceType.BOOLEAN, ResourceType.OPAQUE
_STRING, _LINK = ResourceType.STRING, ResourceType.OBJLNK

_FIELDS: dict[tuple[str, int], tuple[_Field, ...]] = {
    ("security", SECURITY): (
        _Field("uri", 0, _STRING),
        _Field("bootstrapServer", 1, _BOOLEAN),
        _Field("securityMode", 2, _INTEGER, MODES),
        _Field("publicKeyOrId", 3, _OPAQUE),
        _Field("serverPublicKey", 4, _OPAQUE),
        _Field("secretKey", 5, _OPAQUE),
        _Field("smsSecurityMode", 6, _INTEGER, SMS_MODES),
        _Field("smsBindingKeyParam", 7, _OPAQUE),
        _Field("smsBindingKeySecret", 8, _OPAQUE),
        _Field("serverSmsNumber", 9, _STRING),
        _Field("serverId", 10, _INTEGER),
        _Field("clientOldOffTime", 11, _INTEGER),
        _Field("bootstrapServerAccountTimeout", 12, _INTEGER),
        _Field("matchingType", 13, _INTEGER),
        _Field("sni", 14, _STRING),
        _Field("oscoreSecurityMode", 17, _LINK),
    ),
    ("servers", SERVER): (
        _Field("shortId", 0, _INTEGER),
        _Field("lifetime", 1, _INTEGER),
        _Field("defaultMinPeriod", 2, _INTEGER),
        _Field("defaultMaxPeriod", 3, _INTEGER),
        _Field("disableTimeout", 5, _INTEGER),
        _Field("notifIfDisabled", 6, _BOOLEAN),
        _Field("binding", 7, _STRING),
        _Field("registrationPriorityOrder", 13, _INTEGER),
        _Field("initialRegistrationDelay", 14, _INTEGER),
        _Field("registrationFailureBlock", 15, _BOOLEAN),
        _Field("bootstrapOnRegistrationFailure", 16, _BOOLEAN),
        _Field("communicationRetryCount", 17, _INTEGER),
        _Field("communicationRetryTimer", 18, _INTEGER),
        _Field("communicationSequenceDelayTimer", 19, _INTEGER),
        _Field("communicationSequenceRetryCount", 20, _INTEGER),
        _Field("trigger", 21, _BOOLEAN),
        _Field("preferredTransport", 22, _STRING),
        _Field("muteSend", 23, _BOOLEAN),
    ),
    ("oscore", OSCORE): (
        _Field("oscoreMasterSecret", 0, _OPAQUE),
        _Field("oscoreSenderId", 1, _OPAQUE),
        _Field("oscoreRecipientId", 2, _OPAQUE),
        _Field("oscoreAeadAlgorithm", 3, _INTEGER),
        _Field("oscoreHmacAlgorithm", 4, _INTEGER),
        _Field("oscoreMasterSalt", 5, _OPAQUE),
    ),
}


def parse_config(data: object) -> BootstrapConfig:
    """The configuration that a JSON of Leshan's stands for; names that stand for nothing here are passed over.

    Raises:
        BadRequest: it is none, or cannot be carried out.
    """
    config = _mapping(data, "a bootstrap configuration")
    writes: dict[Path, Instance] = {}
    for (section, object_id), fields in _FIELDS.items():
        for number, values in _mapping(config.get(section) or {}, section).items():
            if not number.isascii() or not number.isdigit() or len(number) > 5:
                raise BadRequest(f"{section} has instances by number, not {number[:20]!r}")
            path = Path.of(object_id, int(number))
            writes[path] = _instance(path, _mapping(values, f"{section} {number}"), fields)
    _check(writes)
    deletes = config.get("toDelete") or []
    if not isinstance(deletes, list):
        raise BadRequest("toDelete is a list of paths")
    return BootstrapConfig(writes, tuple(Path.parse(str(path)) for path in deletes))


def config_json(config: BootstrapConfig) -> Json:
    """A configuration as Leshan tells it."""
    data: Json = {"toDelete": [str(path) for path in config.deletes]}
    for (section, object_id), fields in _FIELDS.items():
        names = {field.resource: field for field in fields}
        data[section] = {
            str(path.ids[1]): {
                names[each.id].name: _value_json(names[each.id], each.value)
                for each in instance.resources
                if isinstance(each, Resource) and each.id in names
            }
            for path, instance in config.writes.items()
            if path.ids[0] == object_id
        }
    return data


def _instance(path: Path, values: Mapping[str, object], fields: tuple[_Field, ...]) -> Instance:
    given = [(field, values[field.name]) for field in fields if values.get(field.name) is not None]
    return Instance(
        path.ids[1], tuple(Resource(field.resource, field.type, _value(field, each)) for field, each in given)
    )


def _check(writes: Mapping[Path, Instance]) -> None:
    for path, instance in writes.items():
        if path.ids[0] == SECURITY and (instance.get(0) is None or instance.get(2) is None):
            raise BadRequest(f"security {path.ids[1]}: uri and securityMode are mandatory")
        if path.ids[0] == SERVER and instance.get(0) is None:
            raise BadRequest(f"servers {path.ids[1]}: shortId is mandatory")


def _value(field: _Field, value: object) -> Value:
    """Keys are lists of bytes, signed as Java has them or not; modes are words; bindings may be a list of letters."""
    if field.type is _OPAQUE:
        if not isinstance(value, list) or len(value) > MAX_BYTES or not all(_is_byte(each) for each in value):
            raise BadRequest(f"{field.name} is a list of bytes")
        return bytes(each & 0xFF for each in value)
    if field.words:
        if value not in field.words:
            raise BadRequest(f"{field.name} is one of {', '.join(field.words)}")
        return field.words.index(str(value))
    if field.type is _LINK:
        if not isinstance(value, int) or isinstance(value, bool):
            raise BadRequest(f"{field.name} is the number of an instance of oscore")
        return ObjectLink(OSCORE, value)
    if field.name == "binding" and isinstance(value, list):
        value = "".join(map(str, value))
    if field.type is _BOOLEAN and isinstance(value, int):
        value = bool(value)
    return check_value(field.type, value)


def _value_json(field: _Field, value: Value) -> object:
    match value:
        case bytes():
            return list(value)
        case ObjectLink(instance_id=number):
            return None if number == NULL_LINK else number
        case bool():
            return value
        case int() if 0 <= value < len(field.words):
            return field.words[value]
        case _:
            return value


def _is_byte(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -128 <= value <= 255


def _mapping(data: object, name: str) -> Mapping[str, object]:
    if not isinstance(data, dict):
        raise BadRequest(f"{name} is a JSON object")
    return cast("dict[str, object]", data)
