"""What a path of a device holds: a tree of objects, instances, resources and typed values, immutable."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Self

from lwm2m.errors import CodecError
from lwm2m.objects import STANDARD, ObjectRegistry
from lwm2m.paths import Path
from lwm2m.values import ResourceType, Value


@dataclass(frozen=True, slots=True)
class ResourceInstance:
    """One value of a multiple resource."""

    id: int
    type: ResourceType
    value: Value


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource with a single value."""

    id: int
    type: ResourceType
    value: Value


@dataclass(frozen=True, slots=True)
class MultiResource:
    """A resource with any number of numbered values of one type."""

    id: int
    type: ResourceType
    instances: tuple[ResourceInstance, ...] = ()

    @classmethod
    def of(cls, id: int, type: ResourceType, values: Mapping[int, Value]) -> Self:  # noqa: A002 - the field's names
        """Build from {resource instance id: value}."""
        return cls(id, type, tuple(ResourceInstance(key, type, value) for key, value in sorted(values.items())))

    @property
    def values(self) -> dict[int, Value]:
        """{resource instance id: value}."""
        return {instance.id: instance.value for instance in self.instances}


@dataclass(frozen=True, slots=True)
class Instance:
    """An object instance and its resources."""

    id: int
    resources: tuple[Resource | MultiResource, ...] = ()

    def __getitem__(self, resource_id: int) -> Resource | MultiResource:
        for resource in self.resources:
            if resource.id == resource_id:
                return resource
        raise KeyError(resource_id)

    def get(self, resource_id: int) -> Resource | MultiResource | None:
        """The resource, or None when the device did not send it."""
        return next((resource for resource in self.resources if resource.id == resource_id), None)


@dataclass(frozen=True, slots=True)
class Object:
    """An object and its instances."""

    id: int
    instances: tuple[Instance, ...] = ()


@dataclass(frozen=True, slots=True)
class Root:
    """Several objects: the node of the path /."""

    objects: tuple[Object, ...] = ()


Node = Root | Object | Instance | Resource | MultiResource | ResourceInstance


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value with its full path (three or four numbers): what record formats such as SenML carry."""

    path: Path
    type: ResourceType
    value: Value


def node_for(path: Path, value: Value, kind: ResourceType | None = None) -> Resource | ResourceInstance:
    """A single value as the node of `path`; the type comes from the object's model unless given.

    Raises:
        CodecError: the path is no resource, or its model is not known and no type is given.
    """
    if path.level < 3:
        raise CodecError(f"{path} is no resource: one value cannot be its content")
    kind = kind or resource_type(path)
    if kind is None:
        raise CodecError(f"the type of {path} is not known: give it")
    cls = Resource if path.level == 3 else ResourceInstance
    return cls(path.ids[-1], kind, value)


def resource_type(path: Path, models: ObjectRegistry = STANDARD) -> ResourceType | None:
    """The type that the object's model gives to a resource, when the model is known."""
    model = models.find_resource(path.ids[0], path.ids[2]) if path.level >= 3 else None
    return model.type if model and model.type is not ResourceType.NONE else None


def flatten(path: Path, node: Node) -> list[Leaf]:
    """Every value of `node`, which stands at `path`, with its own path."""
    match node:
        case Resource(type=kind, value=value) | ResourceInstance(type=kind, value=value):
            return [Leaf(path, kind, value)]
        case MultiResource(instances=instances):
            return [Leaf(path / each.id, each.type, each.value) for each in instances]
        case Instance(resources=resources):
            return [leaf for each in resources for leaf in flatten(path / each.id, each)]
        case Object(instances=object_instances):
            return [leaf for each in object_instances for leaf in flatten(path / each.id, each)]
        case Root(objects=objects):
            return [leaf for each in objects for leaf in flatten(path / each.id, each)]


def assemble(path: Path, leaves: Iterable[Leaf], models: ObjectRegistry = STANDARD) -> Node:
    """The node of `path` that holds `leaves`, the inverse of `flatten`.

    Raises:
        CodecError: a leaf lies outside `path`, appears twice, or is both single and multiple.
    """
    ordered = sorted(leaves, key=lambda leaf: leaf.path)
    for leaf in ordered:
        if not path.contains(leaf.path) or leaf.path.level < 3:
            raise CodecError(f"{leaf.path} does not belong to {path}")
    for before, after in pairwise(ordered):
        if before.path.contains(after.path):
            raise CodecError(f"{after.path} appears twice")
    return _assemble(path, ordered, models)


def _assemble(path: Path, leaves: list[Leaf], models: ObjectRegistry) -> Node:
    if path.level >= 3:
        return _assemble_resource(path, leaves, models)
    children = [
        _assemble(path / number, list(group), models)
        for number, group in groupby(leaves, lambda leaf: leaf.path.ids[path.level])
    ]
    if path.level == 0:
        return Root(tuple(child for child in children if isinstance(child, Object)))
    if path.level == 1:
        return Object(path.ids[-1], tuple(child for child in children if isinstance(child, Instance)))
    return Instance(path.ids[-1], tuple(child for child in children if isinstance(child, Resource | MultiResource)))


def _assemble_resource(path: Path, leaves: list[Leaf], models: ObjectRegistry) -> Node:
    if len(leaves) == 1 and leaves[0].path == path:
        leaf = leaves[0]
        cls = Resource if path.level == 3 else ResourceInstance
        return cls(path.ids[-1], leaf.type, leaf.value)
    if path.level == 4:
        raise CodecError(f"no value for {path}")
    if not leaves:
        model = models.find_resource(path.ids[0], path.ids[2])
        if model is None or not model.multiple:
            raise CodecError(f"no value for {path}")
        return MultiResource(path.ids[-1], model.type)
    return MultiResource(
        path.ids[-1],
        leaves[0].type,
        tuple(ResourceInstance(leaf.path.ids[-1], leaf.type, leaf.value) for leaf in leaves),
    )
