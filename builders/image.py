"""Builds the image of a builder that ships with the server, once for every state of its files."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import docker.errors

from builders.contract import LABEL, parse_manifest
from builders.engine import engine_errors
from builders.errors import ImageBuildFailedError
from builders.log import LogRelay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

SHIPPED = Path(__file__).with_name("images") / "cortex-m"
BASE_IMAGE = "debian:bookworm-slim"
_BASE_SCRIPT = Path(__file__).parents[1] / "docker" / "base-image"
_BASE_SECONDS = 600.0
# What running the builder or its tests leaves behind is not part of it.
_NOT_CONTEXT = frozenset({"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", "libraries"})


def context_digest(folder: Path) -> str:
    """The sha256 over the names, modes and bytes of a build context's files."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and not _NOT_CONTEXT.intersection(relative.parts):
            executable = bool(path.stat().st_mode & 0o100)
            digest.update(f"{relative.as_posix()}\0{executable}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def build_shipped_image(client: docker.DockerClient, on_log: Callable[[str], None], *, source: Path = SHIPPED) -> str:
    """Return the id of the shipped builder's image, which is built (a minute or two) when its files have changed.

    The tag is `tinymlaas/<folder>:<hash of the files>`; the label is the folder's manifest.json. Raises
    ImageBuildFailedError, BadManifestError, EngineError.
    """
    manifest = (source / "manifest.json").read_text(encoding="utf-8")
    parse_manifest(manifest)
    tag = f"tinymlaas/{source.name}:{context_digest(source)[:16]}"
    with _alone(source), engine_errors():
        try:
            return str(client.images.get(tag).id)
        except docker.errors.ImageNotFound:
            on_log(f"building {tag}")
        ensure_base_image(client, on_log)
        relay = LogRelay(on_log)
        for event in client.api.build(
            path=str(source), tag=tag, labels={LABEL: manifest}, rm=True, forcerm=True, decode=True
        ):
            relay.feed(str(event.get("stream", "")).encode())
            if "error" in event:
                relay.close()
                raise ImageBuildFailedError(
                    f"{tag} did not build: {str(event['error'])[:500]}",
                    remedy=f"Read the log above; docker build {source} shows it again.",
                )
        relay.close()
        return str(client.images.get(tag).id)


def ensure_base_image(client: docker.DockerClient, on_log: Callable[[str], None]) -> None:
    """Make sure that the engine has the image that shipped builders start from: pull it, else bootstrap it."""
    with _alone(Path(__file__).parent):
        with engine_errors():
            try:
                client.images.get(BASE_IMAGE)
            except docker.errors.ImageNotFound:
                on_log(f"{BASE_IMAGE} is not on the engine: getting it")
            else:
                return
        _make_base_image(on_log)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let no other process make the same image meanwhile: it waits, and then finds it made."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make_base_image(on_log: Callable[[str], None]) -> None:
    bash = shutil.which("bash")
    if bash is None or not _BASE_SCRIPT.is_file():
        raise ImageBuildFailedError(
            f"{BASE_IMAGE} is not on the engine.",
            remedy=f"docker pull {BASE_IMAGE}, or docker/base-image in a checkout.",
        )
    try:
        made = subprocess.run(
            [bash, str(_BASE_SCRIPT)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_BASE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as problem:
        raise ImageBuildFailedError(
            f"docker/base-image did not end within {_BASE_SECONDS:.0f} s.", remedy="Run it by hand and watch it."
        ) from problem
    relay = LogRelay(on_log)
    relay.feed(made.stdout)
    relay.close()
    if made.returncode != 0:
        raise ImageBuildFailedError(f"{BASE_IMAGE} could not be made.", remedy="The log above names the next step.")
