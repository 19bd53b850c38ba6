"""The shape of an object model and the compact table notation that the object modules are written in."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self

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
    range: str = ""
    units: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class ObjectModel:
    """One version of an object: its number, name and resources by number; what is not known of it is empty."""

    id: int
    name: str
    version: str
    multiple: bool
    mandatory: bool
    resources: Mapping[int, ResourceModel] = field(compare=False)
    urn: str = ""
    lwm2m_version: str = "1.0"
    description: str = ""
    description2: str = ""

    def older(self, version: str, *, last: int = 65534, lwm2m_version: str = "1.0") -> Self:
        """An earlier version of this object, which had the resources up to `last` with the same types."""
        resources = {number: resource for number, resource in self.resources.items() if number <= last}
        urn = standard_urn(self.id, version)
        return replace(self, version=version, resources=resources, urn=urn, lwm2m_version=lwm2m_version)


def standard_urn(object_id: int, version: str) -> str:
    """The URN of an object (Core 1.1.1, section 7.2.3): the class follows from its number, 1.0 is left out."""
    kind = "oma" if object_id < 1024 else "ext" if object_id <= 10240 else "x"
    return f"urn:oma:lwm2m:{kind}:{object_id}" + ("" if version == "1.0" else f":{version}")


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
    lwm2m_version: str = "1.0",
) -> ObjectModel:
    """Read a table with one resource per line: `id operations type flags name [| range [| units]]`.

    Flags: `m` mandatory, `*` multiple, `.` neither.
    """
    resources: dict[int, ResourceModel] = {}
    for line in filter(str.strip, table.splitlines()):
        facts, _, rest = line.partition("|")
        limits, _, units = rest.partition("|")
        number, operations, kind, flags, title = facts.split(maxsplit=4)
        resources[int(number)] = ResourceModel(
            id=int(number),
            name=title.strip(),
            operations=Operations(operations),
            type=_TYPES[kind],
            multiple="*" in flags,
            mandatory="m" in flags,
            range=limits.strip(),
            units=units.strip(),
        )
    return ObjectModel(
        id, name, version, multiple, mandatory, resources, standard_urn(id, version), lwm2m_version=lwm2m_version
    )
