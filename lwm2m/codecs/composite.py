"""Payloads that speak of several paths at once: composite operations and Send (Core 1.1.1, sections 6.3 and 6.4)."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from lwm2m.codecs import lwm2m_cbor, senml
from lwm2m.codecs.formats import MAX_STRUCTURED, ContentFormat, normalise
from lwm2m.codecs.records import Record, by_time, newest
from lwm2m.errors import CodecError
from lwm2m.nodes import Leaf, Node, Resource, ResourceInstance, assemble, flatten
from lwm2m.objects import STANDARD, ObjectRegistry
from lwm2m.paths import Path

MAX_PATHS = 1000  # paths in one request


class _Format(NamedTuple):
    write: Callable[[Iterable[Leaf]], bytes]
    read: Callable[[bytes, ObjectRegistry], list[Record]]


_FORMATS: dict[int, _Format] = {
    ContentFormat.SENML_JSON: _Format(
        lambda leaves: senml.write_json(senml.pack_leaves(leaves, binary=False)),
        lambda payload, models: senml.unpack(senml.read_json(payload), models),
    ),
    ContentFormat.SENML_CBOR: _Format(
        lambda leaves: senml.write_cbor(senml.pack_leaves(leaves, binary=True)),
        lambda payload, models: senml.unpack(senml.read_cbor_pack(payload), models),
    ),
    ContentFormat.LWM2M_CBOR: _Format(
        lwm2m_cbor.write_leaves,
        lambda payload, models: [Record(leaf) for leaf in lwm2m_cbor.read_leaves(payload, models)],
    ),
}


def encode_paths(paths: Iterable[Path], content_format: int) -> bytes:
    """What a Read-Composite or Observe-Composite asks for: records with names only.

    Raises:
        CodecError: the format is not SenML; LwM2M CBOR has no way to name a path without a value.
    """
    pack: senml.Pack = [{"n": str(path)} for path in paths]
    if len(pack) > MAX_PATHS:
        raise CodecError(f"{len(pack)} paths are more than {MAX_PATHS}")
    match normalise(content_format):
        case ContentFormat.SENML_JSON:
            return senml.write_json(pack)
        case ContentFormat.SENML_CBOR:
            return senml.write_cbor(pack)
        case _:
            raise CodecError(f"paths are asked for in SenML (110 or 112), not in content format {content_format}")


def decode_paths(payload: bytes, content_format: int) -> tuple[Path, ...]:
    """The paths that a Read-Composite or Observe-Composite asks for, in their order.

    Raises:
        CodecError: the payload is no list of names, or the format is not SenML.
    """
    _check_size(payload)
    match normalise(content_format):
        case ContentFormat.SENML_JSON:
            paths = senml.unpack_paths(senml.read_json(payload))
        case ContentFormat.SENML_CBOR:
            paths = senml.unpack_paths(senml.read_cbor_pack(payload))
        case _:
            raise CodecError(f"paths are asked for in SenML (110 or 112), not in content format {content_format}")
    if len(paths) > MAX_PATHS:
        raise CodecError(f"{len(paths)} paths are more than {MAX_PATHS}")
    return tuple(paths)


def encode_nodes(nodes: Mapping[Path, Node], content_format: int) -> bytes:
    """Nodes with their paths: a Write-Composite, the answer to a Read-Composite, or a Send.

    Raises:
        CodecError: the format is not SenML or LwM2M CBOR, or two nodes hold the same resource.
    """
    leaves = [leaf for path, node in nodes.items() for leaf in flatten(path, node)]
    if len({leaf.path for leaf in leaves}) != len(leaves):
        raise CodecError("two nodes hold the same resource")
    return _find(content_format).write(leaves)


def decode_nodes(payload: bytes, content_format: int, models: ObjectRegistry = STANDARD) -> dict[Path, Node]:
    """Every resource, or resource instance, of a payload by its path, without times: the newest value of each.

    Raises:
        CodecError: the payload breaks its format, or the format cannot hold several paths.
    """
    return _nodes(newest(_records(payload, content_format, models)))


def decode_timestamped(
    payload: bytes, content_format: int, models: ObjectRegistry = STANDARD, *, now: float | None = None
) -> tuple[tuple[float | None, dict[Path, Node]], ...]:
    """Every resource of a Send or a composite notification, grouped by time, oldest first.

    A time is in seconds since 1970. Relative ones are counted from `now`, the clock unless given. Values without
    a time are of now: they come last, under None.

    Raises:
        CodecError: as for `decode_nodes`, or a resource has two values of one time.
    """
    records = _records(payload, content_format, models)
    groups = by_time(records, time.time() if now is None else now)
    return tuple((moment, _nodes(_distinct(leaves))) for moment, leaves in groups)


def select(
    nodes: Mapping[Path, Node], requested: Iterable[Path], models: ObjectRegistry = STANDARD
) -> dict[Path, Node | None]:
    """What an answer holds of each requested path; None where the device left it out.

    A device that answers more than it was asked is tolerated: the rest is not in the result.
    """
    below: dict[tuple[int, ...], list[Leaf]] = {}
    for path, node in nodes.items():
        for leaf in flatten(path, node):
            for level in range(leaf.path.level + 1):
                below.setdefault(leaf.path.ids[:level], []).append(leaf)
    return {path: assemble(path, below[path.ids], models) if path.ids in below else None for path in requested}


def _find(content_format: int) -> _Format:
    found = _FORMATS.get(normalise(content_format))
    if found is None:
        raise CodecError(f"content format {content_format} cannot carry several paths: SenML and LwM2M CBOR can")
    return found


def _records(payload: bytes, content_format: int, models: ObjectRegistry) -> list[Record]:
    found = _find(content_format)
    _check_size(payload)
    return found.read(payload, models)


def _check_size(payload: bytes) -> None:
    if len(payload) > MAX_STRUCTURED:
        raise CodecError(f"the payload of {len(payload)} bytes is larger than {MAX_STRUCTURED}")


def _distinct(leaves: list[Leaf]) -> list[Leaf]:
    if len({leaf.path for leaf in leaves}) != len(leaves):
        raise CodecError("a resource has two values of one time")
    return leaves


def _nodes(leaves: Iterable[Leaf]) -> dict[Path, Node]:
    return {
        leaf.path: (Resource if leaf.path.level == 3 else ResourceInstance)(leaf.path.ids[-1], leaf.type, leaf.value)
        for leaf in leaves
    }
