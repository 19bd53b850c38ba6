"""Document 000 as two processes carry it out, and the model that comes out on the emulated board."""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import World
from tests.support.offloading import INI, RECEIVER, sender, text
from zoo.generators.lenet import datarepo
from zoo.training.offload.description import parse_description
from zoo.training.offload.weights import parse_weights

pytestmark = [pytest.mark.docker, pytest.mark.qemu]
ROOT = Path(__file__).parents[2]


def test_document_000_line_11_a_sender_and_a_receiver_make_firmware_that_computes_what_the_model_does(
    world: World, tmp_path: Path
) -> None:
    small, large = tmp_path / "sender", tmp_path / "receiver"
    small.mkdir()
    large.mkdir()
    data, layout = datarepo(0, 300)
    files = {"mnist.data": data, "mnist.json": layout, "mnist.ini": INI.replace("1e-4", "2e-3").encode()}
    for name, content in files.items():
        (small / name).write_bytes(content)
    conf = sender(weights=False, stop=299, training=250, validation=50, epochs=2)
    (small / "sender.conf").write_text(text(conf))
    waiting = copy.deepcopy(RECEIVER)
    waiting["offloading"]["training"]["time-limit"] = 60  # this machine may be busy
    (large / "receiver.conf").write_text(text(waiting))

    receiver = _tinymlaas(world, "receiver", str(large / "receiver.conf"), "--model", "from-a-sender")
    with receiver:
        sending = _tinymlaas(world, "sender", str(small / "sender.conf"))
        told, complaint = sending.communicate(timeout=180)
        assert sending.returncode == 0, complaint
        heard, complaint = receiver.communicate(timeout=60)
        assert receiver.returncode == 0, complaint
    assert re.search(r"epoch 2: .* \d\.\d{4}  \d\.\d{4}  \d\.\d{4}  \d\.\d{4}", complaint)
    assert "trained_model_registration_key version" in told
    assert "from-a-sender@1" in heard
    trained = (small / "registered-trained-model.bin").read_bytes()
    assert trained == (large / "trained-model.bin").read_bytes()
    assert parse_weights(parse_description(files["mnist.ini"]), trained).dump() == trained

    build = world.build("from-a-sender", security_counter=90)
    assert build["state"] == "succeeded", build
    update = world.update(build["artifact_sha256"])
    assert update["state"] == "succeeded", update  # kept only because its golden outputs were right
    assert world.device()["model"] == "from-a-sender"
    # Nobody waits for that topic any more.
    again = _tinymlaas(world, "sender", str(small / "sender.conf"), "--session", "off_0123456789abcdef")
    _, complaint = again.communicate(timeout=60)
    assert again.returncode == 3, complaint
    assert "no session off_0123456789abcdef" in complaint


def _tinymlaas(world: World, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli", "offload", *arguments, "--server", world.server.url],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
