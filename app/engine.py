"""Which runner builds: a Docker Engine when one answers, otherwise the shipped builder as a local process."""

import secrets
from pathlib import Path

import structlog

from app.storage.files import write_atomically
from builders.engine import connect
from builders.errors import DockerUnavailableError
from builders.runner import BuilderRunner

_log = structlog.get_logger(__name__)


def make_runner(data_dir: Path) -> tuple[BuilderRunner, str]:
    """The runner, and `docker` or `local`."""
    try:
        client = connect()
    except DockerUnavailableError as error:
        from builders.local import LocalRunner

        _log.warning("no Docker Engine answers: the shipped builder runs as a local process", reason=str(error))
        return LocalRunner(data_dir / "local-builds"), "local"
    from builders.docker_runner import DockerRunner

    return DockerRunner(client, server_id=_server_id(data_dir)), "docker"


def _server_id(data_dir: Path) -> str:
    """A name for this data folder's server, so that it finds its own containers again after a crash."""
    path = data_dir / "server-id"
    if not path.exists():
        write_atomically(path, secrets.token_hex(8).encode())
    return path.read_text(encoding="ascii")
