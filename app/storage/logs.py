"""Build logs: one append-only text file for each build, named by the server's own id."""

from pathlib import Path

PAGE_BYTES = 1024 * 1024


class LogStore:
    """Logs under `root/<build id>.log`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def _path(self, build_id: str) -> Path:
        return self._root / f"{build_id}.log"

    def append(self, build_id: str, data: bytes) -> None:
        """Add bytes at the end; no fsync, a log's last lines may be lost with the power."""
        with self._path(build_id).open("ab") as file:
            file.write(data)

    def read(self, build_id: str, offset: int) -> tuple[bytes, int]:
        """At most 1 MiB from the offset on, and where to go on; nothing and the same offset at the end."""
        path = self._path(build_id)
        if not path.exists():
            return b"", 0
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(PAGE_BYTES)
        return data, offset + len(data)
