"""Reads what a Leshan server says over its REST API: registrations, responses and nodes, as records of ours."""

import re
from collections.abc import Mapping
from typing import cast

from lwm2m.answers import Response
from lwm2m.errors import BadRequest
from lwm2m.events import Awake, CompositeNotification, Event, Notification, Sample, Sent, Sleeping
from lwm2m.leshan_json import parse_node
from lwm2m.links import Link, format_links, parse_links
from lwm2m.nodes import Node
from lwm2m.paths import Path
from lwm2m.registration import MAX_OBJECT_LINKS, Registration

MAX_TEXT = 1024  # characters of a field that only people read
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # would break log lines and SSE frames


def parse_registration(data: object) -> Registration:
    """A registered device, as Leshan lists it.

    Raises:
        BadRequest: the JSON is no registration of Leshan.
        CodecError: its links are none.
    """
    fields = mapping(data)
    try:
        links = format_links(_links(fields.get("objectLinks", [])))
        if len(links) > MAX_OBJECT_LINKS:
            raise BadRequest(f"the object list is longer than {MAX_OBJECT_LINKS} characters")
        parse_links(links)  # or whoever asks for them later meets the error
        return Registration(
            id=_text(fields, "registrationId"),
            endpoint=_text(fields, "endpoint"),
            address=_text(fields, "address"),
            lifetime=_number(fields, "lifetime"),
            registered_at=_number(fields, "registrationDate") / 1000,
            updated_at=_number(fields, "lastUpdate") / 1000,
            lwm2m_version=str(fields.get("lwM2mVersion", "1.0"))[:8],
            binding=str(fields.get("bindingMode", "U"))[:16],
            queue_mode=fields.get("queuemode") is True,
            object_links=links,
            root_path=str(fields.get("rootPath", "/"))[:MAX_TEXT],
            sms_number=_optional(fields, "smsNumber"),
            secure=fields.get("secure") is True,
            additional=tuple(
                (str(name), str(value))
                for name, value in mapping(fields.get("additionalRegistrationAttributes", {})).items()
            ),
        )
    except (KeyError, TypeError) as error:
        raise BadRequest(f"no registration of a Leshan server: {error!r}") from error


def parse_response(path: Path | None, data: object) -> Response:
    """What a device answered; `path` tells where its content stands, None for a composite answer.

    Raises:
        BadRequest: the JSON is no response of Leshan.
        CodecError: its content is no node for this path.
    """
    fields = mapping(data)
    content = fields.get("content")
    location = fields.get("location")
    links = fields.get("objectLinks")
    return Response(
        code=_code(fields),
        content=parse_node(path, content) if content is not None and path is not None else None,
        nodes=parse_nodes(content) if content is not None and path is None else None,
        diagnostic=str(fields.get("errormessage") or "")[:MAX_TEXT],
        links=_links(links) if links is not None else (),
        location=str(location)[:MAX_TEXT] if location is not None else None,
    )


def parse_nodes(data: object) -> dict[Path, Node]:
    """A composite content: a node for each path; what the device did not have is absent or null.

    Raises:
        CodecError: the JSON is no map of paths to nodes for them.
    """
    nodes: dict[Path, Node] = {}
    for text, node in mapping(data).items():
        if node is not None:
            path = Path.parse(text)
            nodes[path] = parse_node(path, node)
    return nodes


def device_event(name: str, fields: Mapping[str, object]) -> Event | None:
    """An event of the stream that concerns no registration; None for one that nobody here needs.

    Raises:
        BadRequest, CodecError: it is not in Leshan's shape.
    """
    endpoint = str(fields.get("ep"))
    match name:
        case "NOTIFICATION" if fields.get("kind") == "composite":
            paths = fields.get("paths")
            observed = tuple(Path.parse(str(path)) for path in paths) if isinstance(paths, list) else ()
            return CompositeNotification(endpoint, observed, parse_nodes(fields.get("val")))
        case "NOTIFICATION":
            path = Path.parse(str(fields.get("res")))
            return Notification(endpoint, path, parse_node(path, fields.get("val")))
        case "SEND":
            # Leshan hands on the most recent values and not their time.
            return Sent(endpoint, (Sample(None, parse_nodes(fields.get("val"))),))
        case "AWAKE":
            return Awake(endpoint)
        case "SLEEPING":
            return Sleeping(endpoint)
        case _:
            return None


def mapping(data: object) -> Mapping[str, object]:
    """`data` as a JSON object.

    Raises:
        BadRequest: it is none.
    """
    if not isinstance(data, dict):
        raise BadRequest(f"a JSON object is expected of a Leshan server, not {type(data).__name__}")
    return cast("dict[str, object]", data)


def _code(fields: Mapping[str, object]) -> int:
    """`CONTENT(205)` as 2.05. A device's verdict is `success`: a status that contradicts it is no answer."""
    status = str(fields.get("status"))
    number = status.rpartition("(")[2].removesuffix(")")
    if not number.isascii() or not number.isdigit() or len(number) != 3:
        raise BadRequest(f"a Leshan server answered with the status {status[:40]!r}")
    code = int(number[0]) << 5 | int(number[1:])
    if (code >> 5 == 2) is not (fields.get("success") is True):
        raise BadRequest(f"a Leshan server answered {status[:40]!r} with success={fields.get('success')!r}")
    return code


def _links(data: object) -> tuple[Link, ...]:
    if not isinstance(data, list):
        raise BadRequest("links are a list")
    return tuple(_link(mapping(each)) for each in data)


def _link(fields: Mapping[str, object]) -> Link:
    attributes = mapping(fields.get("attributes") or {})
    return Link(
        str(fields.get("url", ""))[:MAX_TEXT],
        tuple((name, None if value is None else str(value)) for name, value in attributes.items()),
    )


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields[name]
    if not isinstance(value, str) or not value or len(value) > MAX_TEXT or _CONTROL.search(value):
        raise BadRequest(f"{name} is no text of 1 to {MAX_TEXT} printable characters")
    return value


def _optional(fields: Mapping[str, object], name: str) -> str | None:
    return _text(fields, name) if fields.get(name) else None


def _number(fields: Mapping[str, object], name: str) -> int:
    value = fields[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise BadRequest(f"{name} is no whole number")
    return value
