"""The objects of a device as Python objects: what a server may read, write, execute, discover and observe."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from lwm2m.client.attributes import PERIODS, THRESHOLDS, Attributes
from lwm2m.client.package import PackageSink
from lwm2m.errors import Refused
from lwm2m.links import Link
from lwm2m.messages import Code
from lwm2m.nodes import Instance, MultiResource, Node, Object, Resource, flatten
from lwm2m.objects import find_object
from lwm2m.paths import MAX_ID, Path
from lwm2m.values import ResourceType, Value

MAX_CREATED = 32  # instances of one object: a device is small
ATTRIBUTES = frozenset({*PERIODS, *THRESHOLDS})


@dataclass(frozen=True, slots=True)
class ClientResource:
    """One resource: what is None cannot be done to it. A mapping read is a multiple resource.

    `sink` receives writes block by block instead of `write`; `observable` is off for values that outgrow one datagram.
    """

    type: ResourceType
    read: Callable[[], Value | Mapping[int, Value]] | None = None
    write: Callable[[Value], Awaitable[None]] | None = None
    execute: Callable[[bytes], Awaitable[None]] | None = None
    sink: PackageSink | None = None
    observable: bool = True


@dataclass(frozen=True, slots=True)
class ObjectInstance:
    """One instance of an object and its resources by number."""

    object_id: int
    instance_id: int
    resources: Mapping[int, ClientResource]

    @property
    def path(self) -> Path:
        """Where it stands."""
        return Path.of(self.object_id, self.instance_id)


Factory = Callable[[int, Instance], ObjectInstance]
"""Makes the instance with a number from the values that a server sent; raises Refused when it does not want to."""


@dataclass(slots=True)
class ObjectTree:
    """All object instances of a device. Every method raises Refused with the CoAP code to answer with.

    `factories` are the objects, by number, that a server may create instances of, and delete.
    """

    instances: tuple[ObjectInstance, ...]
    factories: Mapping[int, Factory] = field(default_factory=dict)
    attributes: dict[Path, dict[str, str]] = field(default_factory=dict)

    def read(self, path: Path) -> Node:
        """The node at a path of one to three numbers; only what can be read is in it."""
        match path.level:
            case 1:
                return Object(path.ids[0], tuple(self._instance_node(each) for each in self._below(path)))
            case 2:
                return self._instance_node(self._instance(path))
            case 3:
                return _resource_node(path.ids[2], self._readable(path))
            case 4:
                return self._resource_instance(path)
            case _:
                raise Refused(Code.METHOD_NOT_ALLOWED, "the root cannot be read")

    async def write(self, path: Path, node: Node) -> None:
        """Write one resource, or those of an instance that the node names."""
        for leaf in flatten(path, node):
            resource = self.resource(leaf.path)
            if resource.write is None:
                raise Refused(Code.METHOD_NOT_ALLOWED, f"{leaf.path} cannot be written")
        for leaf in flatten(path, node):
            write = self.resource(leaf.path).write
            if write is not None:
                await write(leaf.value)

    def create(self, object_id: int, content: Instance, instance_id: int | None) -> Path:
        """Create an instance; without a number it gets the lowest free one."""
        factory = self.factories.get(object_id)
        if factory is None:
            raise Refused(Code.METHOD_NOT_ALLOWED, f"nothing can be created below /{object_id}")
        taken = {each.instance_id for each in self.instances if each.object_id == object_id}
        if instance_id is None:
            instance_id = next(number for number in range(MAX_ID + 1) if number not in taken)
        if instance_id in taken:
            raise Refused(Code.BAD_REQUEST, f"/{object_id}/{instance_id} is there already")
        if len(taken) >= MAX_CREATED:
            raise Refused(Code.BAD_REQUEST, f"an object has at most {MAX_CREATED} instances here")
        created = factory(instance_id, content)
        self.instances = (*self.instances, created)
        return created.path

    def delete(self, path: Path) -> None:
        """Delete an instance that a server may create."""
        if path.level != 2 or path.ids[0] not in self.factories:
            raise Refused(Code.METHOD_NOT_ALLOWED, f"{path} cannot be deleted")
        gone = self._instance(path)
        self.instances = tuple(each for each in self.instances if each is not gone)
        self.attributes = {each: kept for each, kept in self.attributes.items() if not path.contains(each)}

    async def execute(self, path: Path, arguments: bytes) -> None:
        """Execute a resource."""
        resource = self.resource(path)
        if resource.execute is None:
            raise Refused(Code.METHOD_NOT_ALLOWED, f"{path} cannot be executed")
        await resource.execute(arguments)

    def resource(self, path: Path) -> ClientResource:
        """The resource at a path of three numbers (a fourth is ignored)."""
        instance = self._instance(Path(path.ids[:2]))
        try:
            return instance.resources[path.ids[2]]
        except (KeyError, IndexError):
            raise Refused(Code.NOT_FOUND, f"there is no {path}") from None

    def objects(self) -> tuple[Path, ...]:
        """The objects that there are instances of."""
        return tuple(Path.of(number) for number in sorted({each.object_id for each in self.instances}))

    def observable(self, path: Path) -> bool:
        """Whether notifications of this path fit a datagram."""
        if path.level >= 3:
            return self.resource(path).observable
        return all(each.observable for one in self._below(path) for each in one.resources.values() if each.read)

    def set_attributes(self, path: Path, queries: Iterable[str]) -> None:
        """Write-Attributes: in force for observers from now on; an empty value removes one. All of them or none."""
        if not self._below(path) or (path.level >= 3 and self.resource(path) is None):
            raise Refused(Code.NOT_FOUND, f"there is no {path}")
        kept = dict(self.attributes.get(path, {}))
        for query in queries:
            name, _, value = query.partition("=")
            if name not in ATTRIBUTES or not _is_number(value) or (name in PERIODS and value.startswith("-")):
                raise Refused(Code.BAD_REQUEST, f"{query[:40]!r} is no attribute with a number")
            if name in THRESHOLDS and path.level < 3 and value:
                raise Refused(Code.BAD_REQUEST, f"{name} belongs to a resource, not to {path}")
            kept.pop(name, None)
            if value:
                kept[name] = value
        self.attributes[path] = kept

    def effective_attributes(self, path: Path) -> Attributes:
        """What is in force at a path: its own attributes before those of the levels above it."""
        return Attributes.merged(self.attributes.get(Path(path.ids[:level]), {}) for level in range(1, path.level + 1))

    def number(self, path: Path) -> float | None:
        """The value of a numeric resource, None for anything else: what thresholds look at."""
        if path.level < 3:
            return None
        try:
            node = self.read(path)
        except Refused:
            return None
        value = getattr(node, "value", None)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def registration_links(self) -> tuple[Link, ...]:
        """The payload of a registration: every instance, and each object's version unless it is 1.0."""
        return (Link("/", (("rt", '"oma.lwm2m"'), ("ct", '"60 110 112 11542"'))), *self._object_links(self.instances))

    def discover(self, path: Path) -> tuple[Link, ...]:
        """The answer to a Discover of an object, an instance or a resource, with its attributes."""
        below = self._below(path)
        if not below or path.level > 3:
            raise Refused(Code.NOT_FOUND, f"there is no {path}")
        if path.level == 3:
            return (self._link(path, self.resource(path)),)
        links = [Link(str(path), tuple(self.attributes.get(path, {}).items()))]
        for instance in below:
            if path.level == 1:
                links.append(Link(str(instance.path), tuple(self.attributes.get(instance.path, {}).items())))
            links.extend(
                self._link(instance.path / number, each) for number, each in sorted(instance.resources.items())
            )
        return tuple(links)

    def _object_links(self, instances: Iterable[ObjectInstance]) -> list[Link]:
        links: dict[str, Link] = {}
        for instance in instances:
            model = find_object(instance.object_id)
            version = model.version if model is not None else "1.0"
            if version != "1.0":
                url = str(Path.of(instance.object_id))
                links.setdefault(url, Link(url, (("ver", version),)))
            links[str(instance.path)] = Link(str(instance.path))
        return list(links.values())

    def _link(self, path: Path, resource: ClientResource) -> Link:
        attributes: list[tuple[str, str | None]] = list(self.attributes.get(path, {}).items())
        if resource.read is not None and isinstance(value := resource.read(), Mapping):
            attributes.insert(0, ("dim", str(len(value))))
        return Link(str(path), tuple(attributes))

    def _below(self, path: Path) -> tuple[ObjectInstance, ...]:
        found = tuple(each for each in self.instances if Path(path.ids[:2]).contains(each.path))
        if not found:
            raise Refused(Code.NOT_FOUND, f"there is no {path}")
        return found

    def _instance(self, path: Path) -> ObjectInstance:
        if path.level < 2:
            raise Refused(Code.METHOD_NOT_ALLOWED, f"{path} is no object instance")
        return self._below(path)[0]

    def _readable(self, path: Path) -> ClientResource:
        resource = self.resource(path)
        if resource.read is None:
            raise Refused(Code.METHOD_NOT_ALLOWED, f"{path} cannot be read")
        return resource

    def _resource_instance(self, path: Path) -> Node:
        node = _resource_node(path.ids[2], self._readable(path))
        found = [each for each in node.instances if each.id == path.ids[3]] if isinstance(node, MultiResource) else []
        if not found:
            raise Refused(Code.NOT_FOUND, f"there is no {path}")
        return found[0]

    def _instance_node(self, instance: ObjectInstance) -> Instance:
        readable = sorted((number, each) for number, each in instance.resources.items() if each.read is not None)
        return Instance(instance.instance_id, tuple(_resource_node(number, each) for number, each in readable))


def _resource_node(number: int, resource: ClientResource) -> Resource | MultiResource:
    if resource.read is None:
        raise Refused(Code.METHOD_NOT_ALLOWED, f"resource {number} cannot be read")
    value = resource.read()
    if isinstance(value, Mapping):
        return MultiResource.of(number, resource.type, value)
    return Resource(number, resource.type, value)


def _is_number(text: str) -> bool:
    digits = text.removeprefix("-").replace(".", "", 1)
    return not text or (digits.isascii() and digits.isdecimal() and len(digits) <= 20)
