"""LwM2M CBOR, content format 11544 (LwM2M 1.2): maps from identifiers to maps, down to the values."""

from collections.abc import Iterable, Iterator

import cbor2

from lwm2m.codecs.cbor import MAX_KEY_PARTS, CborMap, Epoch, Item, read_cbor
from lwm2m.codecs.records import MAX_RECORDS
from lwm2m.errors import CodecError
from lwm2m.nodes import Leaf, Node, assemble, flatten, resource_type
from lwm2m.objects import STANDARD, ObjectRegistry
from lwm2m.paths import MAX_ID, MAX_LEVELS, Path
from lwm2m.values import ObjectLink, ResourceType, check_value

_Tree = dict[int, object]


def encode(path: Path, node: Node) -> bytes:
    """The values of a node below their whole paths."""
    return write_leaves(flatten(path, node))


def decode(path: Path, payload: bytes, models: ObjectRegistry = STANDARD) -> Node:
    """The node at a path; identifiers may be grouped in arrays at any level."""
    return assemble(path, read_leaves(payload, models), models)


def write_leaves(leaves: Iterable[Leaf]) -> bytes:
    """Values as nested maps from the object down, one number a level: what every reader knows."""
    tree: _Tree = {}
    for leaf in leaves:
        level = tree
        for number in leaf.path.ids[:-1]:
            below = level.setdefault(number, {})
            if not isinstance(below, dict):
                raise CodecError(f"{leaf.path} is both single and multiple")
            level = below
        if leaf.path.ids[-1] in level:
            raise CodecError(f"{leaf.path} appears twice")
        value = check_value(leaf.type, leaf.value)
        level[leaf.path.ids[-1]] = str(value) if isinstance(value, ObjectLink) else value
    return cbor2.dumps(tree)


def read_leaves(payload: bytes, models: ObjectRegistry = STANDARD) -> list[Leaf]:
    """The values of a payload, each with its whole path.

    Raises:
        CodecError: the payload is no nest of maps with identifiers, or a value does not fit its resource.
    """
    tree = read_cbor(payload)
    if not isinstance(tree, CborMap):
        raise CodecError("LwM2M CBOR is a map from identifiers")
    leaves: dict[Path, Leaf] = {}
    for path, item in _walk((), tree):
        if path in leaves:
            raise CodecError(f"{path} appears twice")
        if len(leaves) >= MAX_RECORDS:
            raise CodecError(f"the payload has more than {MAX_RECORDS} values")
        leaves[path] = _leaf(path, item, models)
    return list(leaves.values())


def _walk(prefix: tuple[int, ...], tree: CborMap) -> Iterator[tuple[Path, Item]]:
    for key, item in tree.pairs:
        ids = (*prefix, *_ids(key))
        if len(ids) > MAX_LEVELS:
            raise CodecError(f"a path has more than {MAX_LEVELS} numbers")
        if isinstance(item, CborMap):
            yield from _walk(ids, item)
        elif len(ids) < 3:
            raise CodecError(f"{Path(ids)} has no value of its own")
        else:
            yield Path(ids), item


def _ids(key: Item) -> tuple[int, ...]:
    parts = key if isinstance(key, list) else [key]
    if len(parts) > MAX_KEY_PARTS:
        raise CodecError(f"a key of LwM2M CBOR has at most {MAX_KEY_PARTS} numbers")
    numbers = tuple(part for part in parts if isinstance(part, int) and not isinstance(part, bool))
    if len(numbers) != len(parts) or any(not 0 <= number <= MAX_ID for number in numbers):
        raise CodecError(f"a key of LwM2M CBOR is an identifier of 0..{MAX_ID} or an array of them")
    return numbers


def _leaf(path: Path, item: Item, models: ObjectRegistry) -> Leaf:
    kind = resource_type(path, models) or kind_of(item)
    return Leaf(path, kind, check_value(kind, plain_value(kind, item)))


def plain_value(kind: ResourceType, item: Item) -> object:
    """A CBOR item as the Python value of a resource of this type, not yet checked."""
    match item:
        case str(text) if kind is ResourceType.OBJLNK:
            return ObjectLink.parse(text)
        case Epoch(seconds=seconds):
            return int(seconds) if kind is ResourceType.TIME else seconds
        case _:
            return item


def kind_of(item: Item) -> ResourceType:
    """The type that a CBOR item suggests for a resource without a model."""
    match item:
        case bool():
            return ResourceType.BOOLEAN
        case int():
            return ResourceType.INTEGER
        case float():
            return ResourceType.FLOAT
        case bytes():
            return ResourceType.OPAQUE
        case Epoch():
            return ResourceType.TIME
        case _:
            return ResourceType.STRING
