"""How much a server takes on: DTLS handshakes, sessions, idleness, and how often one source may ask."""

from collections import OrderedDict
from dataclasses import dataclass

_MAX_SOURCES = 4096  # buckets kept; the one unused for longest goes first


@dataclass(frozen=True, slots=True)
class DtlsLimits:
    """Bounds of a `DtlsServer`. Seconds and counts.

    Beyond `handshakes` the oldest unfinished one is given up; beyond `sessions` the one silent for longest, if that was
    at least `quiet` seconds, or else the new one is refused. `idle` is longer than the default lifetime of a
    registration (86,400 s), so that no device that keeps its registration loses its session. One takes about 75 KiB.
    """

    handshakes: int = 256
    handshake_seconds: float = 30.0
    sessions: int = 10_000
    idle: float = 90_000.0
    quiet: float = 60.0
    hellos_per_second: float = 50.0
    hellos_at_once: int = 200


class SourceRate:
    """A token bucket for each source address: behind one address there may be a whole network of devices."""

    def __init__(self, per_second: float, at_once: int) -> None:
        self._per_second = per_second
        self._at_once = at_once
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, source: str, now: float) -> bool:
        """Whether this source may ask once more."""
        tokens, then = self._buckets.pop(source, (float(self._at_once), now))
        tokens = min(float(self._at_once), tokens + (now - then) * self._per_second)
        allowed = tokens >= 1
        self._buckets[source] = (tokens - allowed, now)
        if len(self._buckets) > _MAX_SOURCES:
            self._buckets.popitem(last=False)
        return allowed
