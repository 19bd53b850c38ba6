"""Ports that another process has are named before a server starts anything."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("option", "kind", "name"),
    [
        ("--port", socket.SOCK_STREAM, "TCP"),
        ("--lwm2m-port", socket.SOCK_DGRAM, "UDP"),
        ("--lwm2m-dtls-port", socket.SOCK_DGRAM, "UDP"),
    ],
)
def test_a_port_in_use_ends_serve_with_its_name_and_what_to_do(
    tmp_path: Path, option: str, kind: socket.SocketKind, name: str
) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            other.listen()
        port = other.getsockname()[1]
        ports = {"--port": "0", "--lwm2m-port": "0", "--lwm2m-dtls-port": "0", option: str(port)}
        words = [word for pair in ports.items() for word in pair]
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", "serve", "--data-dir", str(tmp_path / "data"), *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1, done.stderr
    assert f"{name} port {port} on 127.0.0.1 cannot be had: Address already in use." in " ".join(done.stderr.split())
    assert "--lwm2m-dtls-port" in done.stderr
    assert "Traceback" not in done.stderr
