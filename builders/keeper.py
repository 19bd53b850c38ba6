"""The keeper: a container of our own that does nothing but hold a build's /in and /out in memory.

A build's files are in two tmpfs volumes: bounded in bytes and in files by the kernel, on the engine's host, and
reachable by the Docker API alone, so that a remote engine serves as well as a local one. Such a volume lives as long as
a running container mounts it, and the builder's container ends before its output is read. The keeper is the second
container. Its image has one file: a program of a few machine instructions that sleeps, made here, so that nothing has
to be pulled.
"""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
from typing import TYPE_CHECKING

import docker.errors

from builders.errors import EngineUnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import docker

_REPOSITORY = "tinymlaas/keeper"
_BASE = 0x400000
_HEADERS = 64 + 56

# Per engine architecture: the ELF machine number, and the code of `for (;;) sleep for ever`.
_PROGRAMS = {
    # push 34; pop rax; syscall (pause); jmp back
    "amd64": (62, bytes.fromhex("6a22580f05ebf9")),
    # mov x0..x4, 0; mov x8, 73; svc 0 (ppoll of nothing, without a timeout); b back
    "arm64": (183, struct.pack("<8I", *(0xD2800000 + n for n in range(5)), 0xD2800928, 0xD4000001, 0x17FFFFF9)),
}


def pause_program(architecture: str) -> bytes:
    """A static ELF executable that sleeps until it is killed."""
    if architecture not in _PROGRAMS:
        raise EngineUnsupportedError(
            f"The Docker Engine runs on {architecture!r}; builds run on {' and '.join(sorted(_PROGRAMS))}.",
            remedy="Name an engine on one of these in DOCKER_HOST.",
        )
    machine, code = _PROGRAMS[architecture]
    size = _HEADERS + len(code)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01".ljust(16, b"\0"),  # 64 bits, little-endian, version 1
        2,  # executable
        machine,
        1,
        _BASE + _HEADERS,  # entry point
        64,  # the program header follows at once
        0,
        0,
        64,
        56,
        1,
        64,
        0,
        0,
    )
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)  # one segment, read and execute
    return header + load + code


def pack(files: Mapping[str, bytes], *, mode: int, folders: tuple[str, ...] = ()) -> bytes:
    """A tar archive that depends on nothing but its arguments."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in folders:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
        for name, content in files.items():
            file = tarfile.TarInfo(name)
            file.size, file.mode = len(content), mode
            archive.addfile(file, io.BytesIO(content))
    return buffer.getvalue()


def ensure_image(client: docker.DockerClient) -> str:
    """The name of the keeper's image on this engine, which is made there once (under 2 kB)."""
    root = pack({"pause": pause_program(client.version()["Arch"])}, mode=0o755, folders=("in", "out"))
    tag = hashlib.sha256(root).hexdigest()[:12]
    name = f"{_REPOSITORY}:{tag}"
    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        client.api.import_image_from_data(root, repository=_REPOSITORY, tag=tag, changes=['ENTRYPOINT ["/pause"]'])
    return name
