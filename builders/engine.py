"""A Docker Engine as this package sees it: the connection, one way to name its failures, and its clock."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import docker
import docker.errors
import requests
import urllib3.exceptions

from builders.errors import DockerUnavailableError, ImageNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEFAULT_URL = "unix:///var/run/docker.sock"
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


def connect(url: str | None = None, *, timeout_seconds: int = 60) -> docker.DockerClient:
    """Connect to the engine at `url` (`unix://`, `tcp://`, `ssh://`), or to the one of DOCKER_HOST, or to the default.

    Raises DockerUnavailableError when no engine answers.
    """
    with engine_errors():
        _knock(url or os.environ.get("DOCKER_HOST") or _DEFAULT_URL, timeout_seconds)
        if url is None:
            client = docker.from_env(timeout=timeout_seconds)
        else:
            client = docker.DockerClient(base_url=url, timeout=timeout_seconds)
        try:
            client.ping()
        except BaseException:
            client.close()
            raise
        return client


def _knock(url: str, timeout_seconds: int) -> None:
    """Raise OSError when nothing listens at a `unix://` address: the library would leave its socket open."""
    scheme, _, path = url.partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.settimeout(timeout_seconds)
            knocking.connect(path)


@contextlib.contextmanager
def engine_errors() -> Iterator[None]:
    """Turn every failure of the engine or of the way to it into a BuilderError."""
    try:
        yield
    except docker.errors.ImageNotFound as problem:
        raise ImageNotFoundError(
            f"The image is not on the engine: {problem.explanation or problem}",
            remedy="Register the builder again, which pulls its image.",
        ) from problem
    except docker.errors.APIError as problem:
        raise DockerUnavailableError(
            f"The Docker Engine refused: {problem.explanation or problem}",
            remedy="Read the engine's log (journalctl -u docker), then run the build again.",
        ) from problem
    except (docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as problem:
        raise DockerUnavailableError(
            f"No Docker Engine answers: {problem}",
            remedy="Start it (systemctl start docker, or dockerd), or name another one in DOCKER_HOST.",
        ) from problem


def timestamp(text: str) -> datetime:
    """Read an engine's RFC 3339 time; Python takes six digits of a second, the engine gives nine."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise DockerUnavailableError(f"The engine gave the time {text[:40]!r}.", remedy="Check the engine's version.")
    date, fraction, zone = match.groups()
    return datetime.fromisoformat(
        f"{date}{(fraction or '.0')[:7].ljust(7, '0')}{zone.replace('Z', '+00:00')}"
    ).astimezone(UTC)
