"""The shape of an object model and the compact table notation that the object modules are written in."""

from dataclasses import dataclass, field
from enum import StrEnum

from lwm2m.values import ResourceType


class Operations(StrEnum):
    """What a server may do with a resource; NONE is for a bootstrap server only."""

    READ = "R"
    WRITE = "W"
    READ_WRITE = "RW"
    EXECUTE = "E"
    NONE = "-"

    @property
    def readable(self) -> bool:
        """Whether a server may read it."""
        return self in (Operations.READ, Operations.READ_WRITE)

    @property
    def writable(self) -> bool:
        """Whether a server may write it."""
        return self in (Operations.WRITE, Operations.READ_WRITE)

    @property
    def executable(self) -> bool:
        """Whether a server may execute it."""
        return self is Operations.EXECUTE


@dataclass(frozen=True, slots=True)
class ResourceModel:
    """One resource of an object."""

    id: int
    name: str
    operations: Operations
    type: ResourceType
    multiple: bool
    mandatory: bool


@dataclass(frozen=True, slots=True)
class ObjectModel:
    """One object: its number, name, version and resources by number."""

    id: int
    name: str
    version: str
    multiple: bool
    mandatory: bool
    resources: dict[int, ResourceModel] = field(compare=False)


_TYPES = {
    "str": ResourceType.STRING,
    "int": ResourceType.INTEGER,
    "uint": ResourceType.UNSIGNED_INTEGER,
    "float": ResourceType.FLOAT,
    "bool": ResourceType.BOOLEAN,
    "opaque": ResourceType.OPAQUE,
    "time": ResourceType.TIME,
    "objlnk": ResourceType.OBJLNK,
    "corelnk": ResourceType.CORELINK,
    "-": ResourceType.NONE,
}


def object_model(
    id: int,  # noqa: A002 - the field's name
    name: str,
    version: str,
    table: str,
    *,
    multiple: bool = False,
    mandatory: bool = False,
) -> ObjectModel:
    """Read a table with one resource per line: `id operations type flags name`.

    Flags: `m` mandatory, `*` multiple, `.` neither.
    """
    resources: dict[int, ResourceModel] = {}
    for line in table.strip().splitlines():
        number, operations, kind, flags, title = line.split(maxsplit=4)
        resources[int(number)] = ResourceModel(
            id=int(number),
            name=title,
            operations=Operations(operations),
            type=_TYPES[kind],
            multiple="*" in flags,
            mandatory="m" in flags,
        )
    return ObjectModel(id, name, version, multiple, mandatory, resources)
