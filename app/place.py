"""A server's place on this machine: its data folder and its ports. What another has is told before anything starts."""

import fcntl
import socket
from typing import BinaryIO

from app.settings import Settings


class PlaceTakenError(Exception):
    """The server cannot start here; `remedy` says what to do."""

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(detail)
        self.remedy = remedy


def take(settings: Settings) -> BinaryIO:
    """Hold the data folder for as long as the file is open. Raises PlaceTakenError, also for a port that is in use."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    lock = (settings.data_dir / "server.lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for kind, host, port in _ports(settings):
            _try(kind, host, port)
    except BaseException as error:
        lock.close()
        if isinstance(error, BlockingIOError):
            raise PlaceTakenError(
                f"Another server uses the data folder {settings.data_dir}.", "Stop it, or give this one --data-dir."
            ) from error
        raise
    return lock


def _ports(settings: Settings) -> list[tuple[socket.SocketKind, str, int]]:
    udp, tcp = socket.SOCK_DGRAM, socket.SOCK_STREAM
    asked = [
        (tcp, settings.host, settings.port),
        (udp, settings.lwm2m_host, settings.lwm2m_port),
        (udp, settings.lwm2m_host, settings.lwm2m_dtls_port),
        (tcp, settings.lwm2m_host, settings.lwm2m_tcp_port),
    ]
    return [(kind, host, port) for kind, host, port in asked if port]  # 0 is any that is free


def _try(kind: socket.SocketKind, host: str, port: int) -> None:
    name = f"{'TCP' if kind is socket.SOCK_STREAM else 'UDP'} port {port} on {host}"
    try:
        family, _, protocol, _, address = socket.getaddrinfo(host, port, type=kind)[0]
        with socket.socket(family, kind, protocol) as probe:
            if kind is socket.SOCK_STREAM:  # as the server does: connections of the one before may linger
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise PlaceTakenError(
            f"{name} cannot be had: {error.strerror}.",
            "Stop the server that has it, or choose --port, --lwm2m-port and --lwm2m-dtls-port.",
        ) from error
