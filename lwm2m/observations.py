"""What the server observes on devices: records that outlive the process, and a table of them by device."""

import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from lwm2m.errors import BadRequest, PathError
from lwm2m.messages import Watch
from lwm2m.paths import Path

MAX_OBSERVATIONS = 64  # on one device: a caller that observes each of a thousand resources is stopped
MAX_COMPOSITE_PATHS = 64
MAX_TOKEN = 32  # bytes: 8 of CoAP, and what OSCORE adds

Key = tuple[tuple[Path, ...], bool]


@dataclass(frozen=True, slots=True)
class Observation:
    """One observation, as much of it as a later process needs to recognise its notifications."""

    endpoint: str
    registration_id: str
    paths: tuple[Path, ...]
    composite: bool
    token: bytes
    accept: int | None = None  # the content format that was asked for
    paths_format: int | None = None  # of a composite observation: the format in which the paths were sent

    @property
    def key(self) -> Key:
        """What there is only one observation of on a device."""
        return self.paths, self.composite

    def to_json(self) -> dict[str, object]:
        """As a JSON object."""
        return {
            "endpoint": self.endpoint,
            "registration_id": self.registration_id,
            "paths": [str(path) for path in self.paths],
            "composite": self.composite,
            "token": self.token.hex(),
            "accept": self.accept,
            "paths_format": self.paths_format,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Self:
        """The inverse of `to_json`.

        Raises:
            BadRequest: the data is not what `to_json` wrote.
        """
        try:
            paths, composite, token = data["paths"], data["composite"], data["token"]
            endpoint, registration_id = data["endpoint"], data["registration_id"]
            accept, paths_format = data.get("accept"), data.get("paths_format")
            if not (
                isinstance(paths, list)
                and 0 < len(paths) <= MAX_COMPOSITE_PATHS
                and all(isinstance(path, str) for path in paths)
                and isinstance(composite, bool)
                and isinstance(token, str)
                and isinstance(endpoint, str)
                and isinstance(registration_id, str)
                and isinstance(accept, int | None)
                and isinstance(paths_format, int | None)
            ):
                raise BadRequest("no stored observation: a field has another type than was written")
            found = tuple(Path.parse(path) for path in paths)
            raw = binascii.unhexlify(token)
        except (KeyError, PathError, binascii.Error) as error:
            raise BadRequest(f"no stored observation: {error}") from error
        if not 0 < len(raw) <= MAX_TOKEN:
            raise BadRequest("no stored observation: a token has 1 to 32 bytes")
        return cls(endpoint, registration_id, found, composite, raw, accept, paths_format)


@dataclass(frozen=True, slots=True)
class Watched:
    """An observation and the listener that hears its notifications."""

    observation: Observation
    watch: Watch = field(repr=False)


class ObservationTable:
    """The observations of every device; at most one for each set of paths."""

    def __init__(self) -> None:
        self._by_endpoint: dict[str, dict[Key, Watched]] = {}

    def of(self, endpoint: str) -> tuple[Observation, ...]:
        """What is observed on a device, oldest first."""
        return tuple(each.observation for each in self._by_endpoint.get(endpoint, {}).values())

    def watched(self, endpoint: str) -> tuple[Watched, ...]:
        """The same with the listeners."""
        return tuple(self._by_endpoint.get(endpoint, {}).values())

    def get(self, endpoint: str, key: Key) -> Watched | None:
        """One observation."""
        return self._by_endpoint.get(endpoint, {}).get(key)

    def put(self, watched: Watched) -> Watched | None:
        """Keep an observation; the one that it replaces."""
        entries = self._by_endpoint.setdefault(watched.observation.endpoint, {})
        previous = entries.pop(watched.observation.key, None)
        entries[watched.observation.key] = watched
        return previous

    def remove(self, endpoint: str, key: Key) -> Watched | None:
        """Drop one; None when there is none."""
        entries = self._by_endpoint.get(endpoint, {})
        removed = entries.pop(key, None)
        if not entries:
            self._by_endpoint.pop(endpoint, None)
        return removed

    def clear(self, endpoint: str) -> tuple[Watched, ...]:
        """Drop all of a device."""
        return tuple(self._by_endpoint.pop(endpoint, {}).values())

    def endpoints(self) -> tuple[str, ...]:
        """The devices on which something is observed."""
        return tuple(self._by_endpoint)
