"""What a bootstrap server gives to devices: configurations by endpoint name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from lwm2m.errors import BadRequest
from lwm2m.nodes import Instance
from lwm2m.paths import Path

SECURITY, SERVER, OSCORE = 0, 1, 21
MAX_WRITES = 64  # instances in one configuration
MAX_DELETES = 64
MAX_CONFIGURATIONS = 100_000
# The accounts that a new configuration replaces. A device keeps the one of the bootstrap server by itself.
ACCOUNTS = (Path.of(SECURITY), Path.of(SERVER))


@dataclass(frozen=True, slots=True)
class BootstrapConfig:
    """What one device is to hold afterwards.

    Raises:
        BadRequest: a path to write is no instance, or there are too many of them.
    """

    writes: Mapping[Path, Instance] = field(repr=False)  # keys may be in it
    deletes: tuple[Path, ...] = ACCOUNTS

    def __post_init__(self) -> None:
        """Refuse what could not be carried out."""
        if len(self.writes) > MAX_WRITES or len(self.deletes) > MAX_DELETES:
            raise BadRequest(f"a configuration has at most {MAX_WRITES} instances and {MAX_DELETES} paths to delete")
        for path, instance in self.writes.items():
            if path.level != 2 or path.ids[1] != instance.id:
                raise BadRequest(f"{path} cannot be written: a configuration consists of object instances")
        if any(path.level > 2 for path in self.deletes):
            raise BadRequest("a bootstrap server deletes objects and instances, or everything with /")

    def ordered(self) -> list[tuple[Path, Instance]]:
        """In the order of writing, which is the order of paths: how to reach a server before what it may do."""
        return sorted(self.writes.items(), key=lambda write: write[0])


class BootstrapStore(Protocol):
    """Knows the configurations."""

    def find(self, endpoint: str) -> BootstrapConfig | None:
        """The configuration of a device."""

    def all(self) -> Mapping[str, BootstrapConfig]:
        """Every configuration, by endpoint name."""

    def put(self, endpoint: str, config: BootstrapConfig) -> None:
        """Give a device this configuration at its next bootstrap.

        Raises:
            BadRequest: there is no room for more.
        """

    def remove(self, endpoint: str) -> bool:
        """Take it away; whether there was one."""


class MemoryBootstrapStore:
    """Configurations that are gone with the process."""

    def __init__(self, configs: Mapping[str, BootstrapConfig] | None = None) -> None:
        self._configs = dict(configs or {})

    def find(self, endpoint: str) -> BootstrapConfig | None:
        """See `BootstrapStore.find`."""
        return self._configs.get(endpoint)

    def all(self) -> Mapping[str, BootstrapConfig]:
        """See `BootstrapStore.all`."""
        return dict(self._configs)

    def put(self, endpoint: str, config: BootstrapConfig) -> None:
        """See `BootstrapStore.put`."""
        if endpoint not in self._configs and len(self._configs) >= MAX_CONFIGURATIONS:
            raise BadRequest(f"there are {MAX_CONFIGURATIONS} configurations already: remove some")
        self._configs[endpoint] = config

    def remove(self, endpoint: str) -> bool:
        """See `BootstrapStore.remove`."""
        return self._configs.pop(endpoint, None) is not None
