"""Confs of nnstreamer's offloading service: strict JSON, checked key by key, never acted on.

The keys are those that ml-api-service-offloading.c and ml-api-service-training-offloading.c of nnstreamer's API read.
Ports are texts there, and `activate` is the text "true" or "false".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from zoo.training.offload.errors import ConfError

MAX_CONF_BYTES = 256 * 1024
MAX_SERVICES = 32
DEFAULT_TIME_LIMIT = 10
MAX_TIME_LIMIT = 1800
"""Seconds."""

SENDER, RECEIVER = "sender", "receiver"
CONNECT_TYPES = ("TCP", "HYBRID", "MQTT")
MODEL_RAW, MODEL_URI, PIPELINE_RAW, PIPELINE_URI = "model_raw", "model_uri", "pipeline_raw", "pipeline_uri"
REPLY, LAUNCH = "reply", "launch"
SERVICE_TYPES = (MODEL_RAW, MODEL_URI, PIPELINE_RAW, PIPELINE_URI, REPLY, LAUNCH)
PLACEHOLDER = "@APP_RW_PATH@/"

FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
SERVICE_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Service:
    """How what is transferred is registered on the other side."""

    type: str
    key: str
    name: str | None
    activate: bool
    description: str


@dataclass(frozen=True)
class Transfer:
    """Something to send, under the name of its service: a file below the app's folder, or the receiver's pipeline."""

    service: str
    file: str | None
    pipeline: str | None


@dataclass(frozen=True)
class Conf:
    """A conf with `training`; what its side does not have is None."""

    node_type: str
    host: str | None
    port: str | None
    dest_host: str | None
    dest_port: str | None
    connect_type: str
    topic: str
    time_limit: int
    sender_pipeline: str | None
    transfers: tuple[Transfer, ...]
    services: dict[str, Service]

    @property
    def files(self) -> dict[str, Service]:
        """The files that are transferred, by their name on this side, with how each is registered on the other."""
        return {item.file: self.services[item.service] for item in self.transfers if item.file is not None}

    @property
    def pipeline(self) -> str | None:
        """The receiver's pipeline that is transferred."""
        return next((item.pipeline for item in self.transfers if item.pipeline is not None), None)


def parse_conf(text: str | bytes, node_type: str | None = None) -> Conf:
    """Read a conf of a training offloading, of `node_type` when that is given. Raises ConfError, naming the key."""
    document = _strict(text)
    offloading = _object(document, "offloading", "")
    node = _choice(offloading, "node-type", "offloading", (SENDER, RECEIVER))
    if node_type is not None and node != node_type:
        _refuse("offloading.node-type", f"this is the conf of a {node}, and one of a {node_type} is needed")
    connect = _choice(offloading, "connect-type", "offloading", CONNECT_TYPES)
    training = _object(offloading, "training", "offloading")
    services = {
        name: _service(entry, f"services.{name}", node) for name, entry in _object(document, "services", "").items()
    }
    if len(services) > MAX_SERVICES:
        _refuse("services", f"there are {len(services)}; {MAX_SERVICES} are taken")
    at = "offloading.training"
    transfers = tuple(
        _transfer(name, entry, f"{at}.transfer-data.{name}", services)
        for name, entry in _object(training, "transfer-data", at).items()
    )
    names = [item.file for item in transfers if item.file is not None]
    if not transfers or len(set(names)) != len(names):
        _refuse(f"{at}.transfer-data", "it names nothing, or a file twice")
    conf = Conf(
        node_type=node,
        host=_text(offloading, "host", "offloading"),
        port=_port(offloading, "port"),
        dest_host=_text(offloading, "dest-host", "offloading"),
        dest_port=_port(offloading, "dest-port"),
        connect_type=connect,
        topic=_text(offloading, "topic", "offloading") or "",
        time_limit=_time_limit(training, at),
        sender_pipeline=_text(training, "sender-pipeline", at, most=16 * 1024),
        transfers=transfers,
        services=services,
    )
    _check_side(conf, at)
    return conf


def _check_side(conf: Conf, at: str) -> None:
    """What a sender, and what a receiver has to say."""
    if conf.node_type == SENDER:
        if conf.sender_pipeline is None:
            _refuse(f"{at}.sender-pipeline", "a sender needs it")
        if sum(item.pipeline is not None for item in conf.transfers) != 1:
            _refuse(f"{at}.transfer-data", "a sender transfers exactly one pipeline")
    elif [conf.services[item.service].type for item in conf.transfers] != [REPLY] or not conf.files:
        _refuse(f"{at}.transfer-data", "a receiver transfers exactly one file, of service-type reply")


def _strict(text: str | bytes) -> JsonObject:
    if len(text) > MAX_CONF_BYTES:
        raise ConfError(f"The conf has {len(text)} bytes; {MAX_CONF_BYTES} are read.")
    try:
        document = json.loads(text, object_pairs_hook=_without_repetition, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise ConfError(f"{error.msg}: line {error.lineno} column {error.colno}.") from error
    except UnicodeDecodeError as error:
        raise ConfError(f"The conf is not UTF-8: {error}.") from error
    except RecursionError as error:
        raise ConfError("The conf is nested too deeply.") from error
    except ValueError as error:  # an integer of thousands of digits
        raise ConfError(f"The conf cannot be read: {str(error)[:200]}.") from error
    if not isinstance(document, dict):
        raise ConfError("The conf is no JSON object.")
    return document


def _without_repetition(pairs: list[tuple[str, Any]]) -> JsonObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name in found if sum(name == other for other, _ in pairs) > 1)
        raise ConfError(f"The key {twice[:60]!r} stands twice in one object.", field=twice[:60])
    return found


def _no_constant(name: str) -> NoReturn:
    raise ConfError(f"{name} is no JSON.")


def _service(entry: object, at: str, node: str) -> Service:
    if not isinstance(entry, dict):
        _refuse(at, "it is no object")
    kind = _choice(entry, "service-type", at, SERVICE_TYPES)
    key = _text(entry, "service-key", at, most=100, pattern=SERVICE_KEY)
    if key is None:
        _refuse(f"{at}.service-key", "it is missing")
    name = _text(entry, "name", at, most=100, pattern=FILE_NAME)
    if name is None and kind in {MODEL_RAW, REPLY}:
        _refuse(f"{at}.name", f"a service of type {kind} needs the name of the file to be written")
    if node == SENDER and kind in {MODEL_URI, PIPELINE_URI}:
        _refuse(f"{at}.service-type", f"{kind} would make the server fetch an address; send the file itself as *_raw")
    if (node == RECEIVER) != (kind == REPLY):
        _refuse(f"{at}.service-type", f"a {node} does not transfer {kind}")
    return Service(kind, key, name, _flag(entry, "activate", at), _text(entry, "description", at, most=2000) or "")


def _transfer(name: str, entry: object, at: str, services: dict[str, Service]) -> Transfer:
    if name not in services:
        _refuse(at, "it has no entry of the same name in services")
    kind = services[name].type
    if isinstance(entry, dict):
        pipeline = _object(entry, "pipeline", at)
        if kind not in {PIPELINE_RAW, LAUNCH}:
            _refuse(f"services.{name}.service-type", f"a pipeline is transferred as {PIPELINE_RAW}, not as {kind}")
        text = _text(pipeline, "description", f"{at}.pipeline", most=16 * 1024)
        if text is None:
            _refuse(f"{at}.pipeline.description", "it is missing")
        return Transfer(name, None, text)
    if not isinstance(entry, str):
        _refuse(at, "it is neither the path of a file nor an object with a pipeline")
    if kind not in {MODEL_RAW, REPLY}:
        _refuse(f"services.{name}.service-type", f"a file is transferred as {MODEL_RAW} or {REPLY}, not as {kind}")
    return Transfer(name, file_below(entry, PLACEHOLDER, at, ConfError), None)


def file_below(path: str, placeholder: str, field: str, error: Callable[..., Exception]) -> str:
    """The file's name of a path directly below a placeholder: anything else could leave the session's folder."""
    name = path.removeprefix(placeholder)
    if name == path or not FILE_NAME.fullmatch(name):
        raise error(
            f"{field}: {path[:120]!r} is no file directly below {placeholder[:-1]}.",
            field=field,
            remedy=f"Write {placeholder}NAME; a name has letters, digits, '.', '_' and '-', and no '/' or leading '.'.",
        )
    return name


def _object(parent: JsonObject, key: str, at: str) -> JsonObject:
    found = parent.get(key)
    field = f"{at}.{key}" if at else key
    if found is None:
        _refuse(field, "it is missing")
    if not isinstance(found, dict):
        _refuse(field, "it is no object")
    return found


def _text(
    parent: JsonObject, key: str, at: str, *, most: int = 255, pattern: re.Pattern[str] | None = None
) -> str | None:
    found = parent.get(key)
    if found is None:
        return None
    if not isinstance(found, str):
        _refuse(f"{at}.{key}", f"it is no text but {json.dumps(found)[:60]}")
    if not found or len(found) > most or not found.isprintable():
        _refuse(f"{at}.{key}", f"it is empty, has more than {most} characters, or some that cannot be printed")
    if pattern is not None and not pattern.fullmatch(found):
        _refuse(f"{at}.{key}", f"{found[:60]!r} has other characters than letters, digits, '.', '_' and '-'")
    return found


def _choice(parent: JsonObject, key: str, at: str, known: tuple[str, ...]) -> str:
    found = _text(parent, key, at)
    if found is None:
        _refuse(f"{at}.{key}", f"it is missing; there are {', '.join(known)}")
    same = next((name for name in known if found.lower() == name.lower()), None)
    if same is None:
        _refuse(f"{at}.{key}", f"{found[:60]!r} is unknown; there are {', '.join(known)}")
    return same


def _port(offloading: JsonObject, key: str) -> str | None:
    found = _text(offloading, key, "offloading")
    if found is not None and not (re.fullmatch("[0-9]{1,5}", found) and int(found) < 65536):
        _refuse(f"offloading.{key}", f'{found[:20]!r} is no port; write it as a text, as "3003"')
    return found


def _flag(parent: JsonObject, key: str, at: str) -> bool:
    return _choice({key: "false", **parent}, key, at, ("true", "false")) == "true"


def _time_limit(training: JsonObject, at: str) -> int:
    found = training.get("time-limit", DEFAULT_TIME_LIMIT)
    if type(found) is not int or not 1 <= found <= MAX_TIME_LIMIT:
        _refuse(f"{at}.time-limit", f"{json.dumps(found)[:40]} is no number of seconds from 1 to {MAX_TIME_LIMIT}")
    return found


def _refuse(field: str, why: str) -> NoReturn:
    raise ConfError(f"{field}: {why}.", field=field)
