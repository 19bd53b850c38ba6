"""The JSON shapes of Leshan's REST API: registrations, responses and nodes, out and in."""

from collections.abc import Mapping
from typing import cast

from lwm2m.answers import Response
from lwm2m.errors import CodecError
from lwm2m.links import Link
from lwm2m.messages import Code
from lwm2m.nodes import Instance, MultiResource, Node, Object, Resource, ResourceInstance, Root, resource_type
from lwm2m.paths import MAX_ID, Path
from lwm2m.peers import socket_address
from lwm2m.registration import Registration, RegistrationUpdate
from lwm2m.security import OSCORE_CLAIM
from lwm2m.values import ObjectLink, ResourceType, Value, check_value

Json = dict[str, object]

_NUMBERS = (ResourceType.INTEGER, ResourceType.UNSIGNED_INTEGER, ResourceType.FLOAT)


def registration_json(registration: Registration, *, asleep: bool) -> Json:
    """A registered device; whether it sleeps is told of those in queue mode only."""
    data: Json = {
        "endpoint": registration.endpoint,
        "registrationId": registration.id,
        "registrationDate": _milliseconds(registration.registered_at),
        "lastUpdate": _milliseconds(registration.updated_at),
        "address": socket_address(registration.address),
    }
    if registration.sms_number is not None:
        data["smsNumber"] = registration.sms_number
    data |= {
        "lwM2mVersion": registration.lwm2m_version,
        "lifetime": registration.lifetime,
        "bindingMode": registration.binding,
        "rootPath": registration.root_path,
        "objectLinks": links_json(registration.links),
        "secure": _over_tls(registration),
        "additionalRegistrationAttributes": dict(registration.additional),
        "queuemode": registration.queue_mode,
        "availableInstances": {str(number): ids for number, ids in registration.instances.items()},
    }
    if registration.queue_mode:
        data["sleeping"] = asleep
    return data


def update_json(registration: Registration, update: RegistrationUpdate, *, asleep: bool) -> Json:
    """The data of an UPDATED event."""
    changes: Json = {"registrationId": registration.id, "address": socket_address(update.address)}
    if update.sms_number is not None:
        changes["smsNumber"] = update.sms_number
    if update.lifetime is not None:
        changes["lifetime"] = update.lifetime
    if update.object_links is not None:
        changes |= {"alternatePath": registration.root_path, "objectLinks": links_json(registration.links)}
    changes |= {"secure": _over_tls(registration), "additionalAttributes": dict(update.additional)}
    return {"registration": registration_json(registration, asleep=asleep), "update": changes}


def links_json(links: tuple[Link, ...]) -> list[Json]:
    """Links with their attributes; quoted values keep their quotes."""
    return [{"url": link.url, "attributes": dict(link.attributes)} for link in links]


def response_json(response: Response, *, links: bool = False) -> Json:
    """What a device answered."""
    data: Json = {
        "status": status_text(response.code),
        "valid": True,
        "success": response.success,
        "failure": not response.success,
    }
    if response.content is not None:
        data["content"] = node_json(response.content)
    if response.nodes is not None:
        data["content"] = nodes_json(response.nodes)
    if links and response.success:
        data["objectLinks"] = links_json(response.links)
    if response.location is not None:
        data["location"] = response.location
    if response.diagnostic:
        data["errormessage"] = response.diagnostic
    return data


def status_text(code: int) -> str:
    """`CONTENT(205)` for 2.05."""
    number = (code >> 5) * 100 + (code & 31)
    try:
        return f"{Code(code).name}({number})"
    except ValueError:
        return f"UNKNOWN({number})"


def node_json(node: Node) -> Json:
    """A node with its kind."""
    match node:
        case Resource(id=number, type=kind, value=value):
            return {"kind": "singleResource", "id": number, "type": kind.name, "value": _value_json(kind, value)}
        case ResourceInstance(id=number, type=kind, value=value):
            return {"kind": "resourceInstance", "id": number, "type": kind.name, "value": _value_json(kind, value)}
        case MultiResource(id=number, type=kind):
            values = {str(key): _value_json(kind, value) for key, value in node.values.items()}
            return {"kind": "multiResource", "id": number, "type": kind.name, "values": values}
        case Instance(id=number, resources=resources):
            return {"kind": "instance", "id": number, "resources": [node_json(each) for each in resources]}
        case Object(id=number, instances=instances):
            return {"kind": "obj", "id": number, "instances": [node_json(each) for each in instances]}
        case Root(objects=objects):
            return {"kind": "root", "objects": [node_json(each) for each in objects]}


def nodes_json(nodes: Mapping[Path, Node]) -> Json:
    """Several nodes by their paths."""
    return {str(path): node_json(node) for path, node in nodes.items()}


def parse_node(path: Path, data: object) -> Node:
    """The node that a client wants at `path`. Its kind may be missing: what it holds decides.

    Raises:
        CodecError: the JSON is no node, or no node for this path.
    """
    node = _mapping(data)
    match path.level:
        case 1:
            instances = _list(node, "instances")
            return Object(path.ids[0], tuple(parse_instance(path, each) for each in instances))
        case 2:
            return Instance(path.ids[1], _resources(path, node))
        case 3:
            return _resource(path, node)
        case 4:
            kind = _type(path, node)
            return ResourceInstance(path.ids[3], kind, _parse_value(kind, node.get("value")))
        case _:
            return Root(tuple(_object(each) for each in _list(node, "objects")))


def _object(data: object) -> Object:
    number = _id(_mapping(data))
    node = parse_node(Path.of(number), data)
    if not isinstance(node, Object):
        raise CodecError(f"the root holds objects, and /{number} is none")
    return node


def parse_instance(object_path: Path, data: object) -> Instance:
    """An instance inside an object."""
    node = _mapping(data)
    path = object_path / _id(node)
    return Instance(path.ids[1], _resources(path, node))


def parse_new_instance(object_id: int, data: object) -> tuple[int | None, tuple[Resource | MultiResource, ...]]:
    """The instance to create: its id, when the client chose one, and its resources."""
    node = _mapping(data)
    number = None if node.get("id") is None else _id(node)
    return number, _resources(Path.of(object_id, number or 0), node)


def _resources(path: Path, node: Mapping[str, object]) -> tuple[Resource | MultiResource, ...]:
    return tuple(_resource(path / _id(_mapping(each)), _mapping(each)) for each in _list(node, "resources"))


def _resource(path: Path, node: Mapping[str, object]) -> Resource | MultiResource:
    kind = _type(path, node)
    if "values" in node:
        values = _mapping(node["values"])
        parsed = {_id({"id": key}): _parse_value(kind, value) for key, value in values.items()}
        return MultiResource.of(path.ids[2], kind, parsed)
    return Resource(path.ids[2], kind, _parse_value(kind, node.get("value")))


def _type(path: Path, node: Mapping[str, object]) -> ResourceType:
    name = node.get("type")
    if name is None:
        kind = resource_type(path)
        if kind is None:
            raise CodecError(f"the type of {path} is not known: give it")
        return kind
    try:
        return ResourceType(str(name).lower())
    except ValueError as error:
        raise CodecError(f"{str(name)[:40]!r} is no resource type") from error


def _value_json(kind: ResourceType, value: Value) -> object:
    match value:
        case bool() | str():
            return value
        case bytes():
            return value.hex()
        case ObjectLink(object_id=left, instance_id=right):
            return {"objectId": left, "objectInstanceId": right}
        case int() if kind is ResourceType.TIME:
            return value * 1000
        case _:
            return str(value)


def _parse_value(kind: ResourceType, value: object) -> Value:
    try:
        if kind in _NUMBERS and isinstance(value, str):
            value = float(value) if kind is ResourceType.FLOAT else int(value)
        elif kind is ResourceType.TIME and isinstance(value, int) and not isinstance(value, bool):
            value //= 1000
        elif kind is ResourceType.OPAQUE and isinstance(value, str):
            value = bytes.fromhex(value)
        elif kind is ResourceType.OBJLNK and isinstance(value, dict):
            value = ObjectLink(int(value["objectId"]), int(value["objectInstanceId"]))
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise CodecError(f"{str(value)[:40]!r} is no {kind}") from error
    return check_value(kind, value)


def _id(node: Mapping[str, object]) -> int:
    """An identifier; some clients send it as text."""
    text = str(node.get("id"))
    if not text.isascii() or not text.isdigit() or len(text) > 5 or int(text) > MAX_ID:
        raise CodecError(f"{text[:20]!r} is no identifier: 0..{MAX_ID}")
    return int(text)


def _mapping(data: object) -> Mapping[str, object]:
    if not isinstance(data, dict):
        raise CodecError("a node is a JSON object")
    return cast("dict[str, object]", data)


def _list(node: Mapping[str, object], name: str) -> list[object]:
    items = node.get(name)
    if not isinstance(items, list):
        raise CodecError(f"{name!r} is a list")
    return items


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


def _over_tls(registration: Registration) -> bool:
    """To Leshan, `secure` is the transport's security; OSCORE is none of it."""
    return registration.secure and not (registration.identity or "").startswith(OSCORE_CLAIM)
