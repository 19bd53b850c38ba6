"""Document 000 over nnstreamer-edge's wire: the command as sender and as receiver, and a server that trains."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.offloading import INI, RECEIVER, sender, text
from tests.support.server import ServerProcess
from zoo.generators.lenet import datarepo
from zoo.training.offload.description import parse_description
from zoo.training.offload.weights import parse_weights

ROOT = Path(__file__).parents[3]


def test_document_000_line_12_two_processes_offload_a_training_over_the_wire(
    server: ServerProcess, tmp_path: Path, reserve_tcp_port: Any
) -> None:
    small, large = tmp_path / "sender", tmp_path / "receiver"
    small.mkdir()
    large.mkdir()
    query, sink = str(reserve_tcp_port().release()), str(reserve_tcp_port().release())
    data, layout = datarepo(0, 60)
    for name, content in {"mnist.data": data, "mnist.json": layout, "mnist.ini": INI.encode()}.items():
        (small / name).write_bytes(content)
    conf = sender(weights=False, stop=59, training=50, validation=10, epochs=1)
    conf["offloading"] |= {"dest-host": "127.0.0.1", "dest-port": query}
    written = text(conf).replace("3110", sink).replace("dest-host=192.168.0.5", "dest-host=127.0.0.1")
    (small / "sender.conf").write_text(written)
    waiting = copy.deepcopy(RECEIVER)
    waiting["offloading"]["port"] = query
    waiting["offloading"]["training"]["time-limit"] = 60  # this machine may be busy
    (large / "receiver.conf").write_text(text(waiting))

    receiver = _offload(server, "receiver", str(large / "receiver.conf"), "--edge", "--model", "from-the-wire")
    with receiver:
        assert receiver.stderr is not None
        assert f"127.0.0.1:{query}" in receiver.stderr.readline()
        sending = _offload(server, "sender", str(small / "sender.conf"), "--edge")
        told, complaint = sending.communicate(timeout=120)
        assert sending.returncode == 0, complaint
        heard, noted = receiver.communicate(timeout=30)
        assert receiver.returncode == 0, noted
    assert "from-the-wire@1" in heard
    assert "epoch 1:" in noted
    assert "registered-trained-model.bin" in told
    trained = (small / "registered-trained-model.bin").read_bytes()
    assert trained == (large / "trained-model.bin").read_bytes()
    assert parse_weights(parse_description(INI.encode()), trained).dump() == trained
    with server.client() as client:
        (session, *_) = client.get("/v1/offload/sessions").json()["items"]
        assert (session["state"], session["model"]) == ("succeeded", "from-the-wire")
        assert {item["name"] for item in session["files"]} == {
            "registered-mnist.ini",
            "edge-samples.data",
            "edge-samples.json",
        }
        assert session["result"]["key"] == "trained_model_registration_key"


def _offload(server: ServerProcess, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli", "offload", *arguments, "--server", server.url],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
