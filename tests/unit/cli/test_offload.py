"""A sender meets the receiver of its topic, sends what its conf names, and keeps the trained model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from tests.support.offloading import RECEIVER, SENDER, text

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Cli, FakeServer

ID = "off_0123456789abcdef"
PATH = f"/v1/offload/sessions/{ID}"
TRAINED = b"trained"
MODEL = {
    "key": "trained_model_registration_key",
    "version": 3,
    "name": "registered-trained-model.bin",
    "sha256": hashlib.sha256(TRAINED).hexdigest(),
    "size": len(TRAINED),
    "description": "",
    "active": True,
    "session_id": ID,
    "created_at": "2026-01-01T00:00:00Z",
}
CONF = {
    "node_type": "receiver",
    "host": None,
    "port": "3003",
    "dest_host": None,
    "dest_port": None,
    "connect_type": "TCP",
    "topic": "offloading_service_test_topic",
    "time_limit": 10,
    "sender_pipeline": None,
    "pipeline": None,
    "transfer_data": [],
    "services": [],
}


def _session(state: str, **more: Any) -> httpx.Response:
    return httpx.Response(200, json=_body(state, **more))


def _body(state: str, **more: Any) -> dict[str, Any]:
    return {
        "id": ID,
        "state": state,
        "topic": "offloading_service_test_topic",
        "model": "mnist",
        "version": None,
        "receiver": CONF,
        "sender": None,
        "files": [],
        "training_job_id": None,
        "result": None,
        "error": None,
        "created_at": "2026-01-01T00:00:00Z",
        "deadline_at": "2026-01-01T00:00:10Z",
        **more,
    }


def _metrics(*epochs: list[float]) -> httpx.Response:
    return httpx.Response(200, json={"session_id": ID, "state": "training", "training_result": list(epochs)})


def test_a_sender_sends_what_its_conf_names_and_keeps_the_trained_model(
    cli: Cli, server: FakeServer, tmp_path: Path
) -> None:
    (tmp_path / "sender.conf").write_text(text(SENDER))
    (tmp_path / "mnist.ini").write_bytes(b"ini")
    nobody, waits = [], [_body("training", sender=CONF), _body("waiting-for-data")]
    server.on(
        "GET /v1/offload/sessions",
        *(httpx.Response(200, json={"items": items, "next_cursor": None}) for items in (nobody, waits)),
    )
    files = [{"name": "mnist.ini", "size": None, "sha256": None}]
    server.on(f"PUT {PATH}/sender", _session("waiting-for-data", files=files))
    server.on(f"PUT {PATH}/files/mnist.ini", _session("training"))
    server.on(f"GET {PATH}", _session("training"), _session("succeeded", version=2, result=MODEL))
    server.on(
        f"GET {PATH}/metrics", _metrics([1.5, 0.25, 1.75, 0.2]), _metrics([1.5, 0.25, 1.75, 0.2], [1, 0.5, 1, 0.5])
    )
    server.on(f"GET {PATH}/result", httpx.Response(200, content=TRAINED))
    result = cli("offload", "sender", str(tmp_path / "sender.conf"))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "registered-trained-model.bin").read_bytes() == TRAINED
    (joined,) = server.sent(f"PUT {PATH}/sender")
    assert json.loads(joined.content) == {"conf": text(SENDER)}
    (sent,) = server.sent(f"PUT {PATH}/files/mnist.ini")
    assert (sent.content, sent.headers["Content-Type"]) == (b"ini", "application/octet-stream")
    assert result.stderr.count("epoch 1:") == result.stderr.count("epoch 2:") == 1
    assert "1.5000  0.2500  1.7500  0.2000" in result.stderr
    assert "trained_model_registration_key version 3" in result.stdout
    assert "mnist@2" in result.stdout


def test_a_sender_whose_file_is_refused_leaves_the_session_to_the_next(
    cli: Cli, server: FakeServer, tmp_path: Path
) -> None:
    (tmp_path / "sender.conf").write_text(text(SENDER))
    (tmp_path / "mnist.ini").write_bytes(b"ini")
    problem = {
        "type": "about:blank",
        "title": "Unprocessable Content",
        "status": 422,
        "slug": "network_invalid",
        "detail": "A layer is unknown.",
        "instance": f"{PATH}/files/mnist.ini",
        "remedy": "Use one that is known.",
    }
    files = [{"name": "mnist.ini", "size": None, "sha256": None}]
    server.on(f"PUT {PATH}/sender", _session("waiting-for-data", files=files))
    server.on(f"PUT {PATH}/files/mnist.ini", httpx.Response(422, json=problem))
    server.on(f"DELETE {PATH}/sender", httpx.Response(204))
    result = cli("offload", "sender", str(tmp_path / "sender.conf"), "--session", ID)
    assert result.exit_code == 3, result.output
    assert "A layer is unknown." in result.stderr
    assert len(server.sent(f"DELETE {PATH}/sender")) == 1


def test_a_receiver_that_times_out_is_an_end_that_is_not_wanted(cli: Cli, server: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "receiver.conf").write_text(text(RECEIVER))
    server.on("POST /v1/offload/sessions", httpx.Response(201, json=_body("waiting-for-data")))
    server.on(f"GET {PATH}", _session("waiting-for-data"), _session("timed-out"))
    server.on(f"GET {PATH}/metrics", _metrics())
    result = cli("offload", "receiver", str(tmp_path / "receiver.conf"), "--model", "mnist")
    assert result.exit_code == 1
    assert "ended without a model: timed-out" in result.stderr
    assert json.loads(server.requests[0].content)["model"] == "mnist"
    assert not (tmp_path / "trained-model.bin").exists()


def test_a_topic_that_nobody_waits_for_is_given_up_after_the_time_limit(
    cli: Cli, server: FakeServer, tmp_path: Path
) -> None:
    (tmp_path / "sender.conf").write_text(text(SENDER))
    server.on("GET /v1/offload/sessions", httpx.Response(200, json={"items": [], "next_cursor": None}))
    result = cli("offload", "sender", str(tmp_path / "sender.conf"))
    assert result.exit_code == 1
    assert "No receiver waits for the topic 'offloading_service_test_topic'" in result.stderr


def test_a_conf_with_a_comment_is_refused_here_with_line_and_column(
    cli: Cli, server: FakeServer, tmp_path: Path
) -> None:
    (tmp_path / "sender.conf").write_text('{\n    "offloading" : # Keyword\n}')
    result = cli("offload", "sender", str(tmp_path / "sender.conf"))
    assert result.exit_code == 2
    assert "line 2 column 20" in result.stderr
    assert server.requests == []
    wrong = cli("offload", "receiver", str(tmp_path / "missing.conf"))
    assert wrong.exit_code == 2


def test_document_000_line_12_the_wire_is_spoken_only_when_it_is_asked_for(
    cli: Cli, server: FakeServer, tmp_path: Path
) -> None:
    (tmp_path / "receiver.conf").write_text(text(RECEIVER))
    (tmp_path / "sender.conf").write_text(text(SENDER))
    server.on("POST /v1/offload/sessions", httpx.Response(201, json=_body("waiting-for-data")))
    server.on(f"GET {PATH}", _session("timed-out"))
    server.on(f"GET {PATH}/metrics", _metrics())
    # A unit test fails where a socket is bound: without --edge there is none.
    assert "timed-out" in cli("offload", "receiver", str(tmp_path / "receiver.conf")).stderr
    alone = cli("offload", "receiver", str(tmp_path / "receiver.conf"), "--listen", "127.0.0.1")
    assert alone.exit_code == 2
    assert "give --edge too" in alone.stderr
    both = cli("offload", "sender", str(tmp_path / "sender.conf"), "--edge", "--session", ID)
    assert both.exit_code == 2
    missing = cli("offload", "sender", str(tmp_path / "sender.conf"), "--edge")
    assert missing.exit_code == 2
    assert "mnist.json cannot be read" in missing.stderr
