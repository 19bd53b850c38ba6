"""Finds training workers among the processes of this machine, by the folder that they work in."""

from pathlib import Path


def workers_in(folder: Path) -> list[int]:
    """Process ids of the workers in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue  # it has just ended
        if b"zoo.training.worker" in words and str(folder.resolve()).encode() in words:
            found.append(int(path.parent.name))
    return found


def worker_in(folder: Path) -> int:
    """The one worker in a folder."""
    (worker,) = workers_in(folder)
    return worker
