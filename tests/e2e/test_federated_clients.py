"""Clients as people start them, with a real server: over HTTP and over CoAP, one of them killed while it trains."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.client_process import ClientProcess
from tests.support.federation import Operator
from tests.support.server import ServerProcess

ROUNDS = 3


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path / "data")
    process.start()
    try:
        yield process
    finally:
        process.kill()


def test_002_5_003_6_clients_over_http_and_coap_share_a_federation_and_one_is_killed_in_it(
    server: ServerProcess, tmp_path: Path
) -> None:
    with server.client() as api:
        operator = Operator(api)
        snapshot = operator.prepare()
        training = {"epochs": 60, "batch_size": 16, "learning_rate": 0.05}
        federation = operator.create(snapshot, rounds=ROUNDS, minimum_clients=2, training=training)
        tokens = [operator.enrol(federation, name) for name in ("http", "coap")]
        web = ClientProcess(tmp_path / "http", server.url, federation, tokens[0], slice(0, 700), turned=False)
        address = f"coap://127.0.0.1:{server.lwm2m_port}"
        coap = ClientProcess(tmp_path / "coap", address, federation, tokens[1], slice(700, 1400), turned=False)
        model = tmp_path / "trainable.tflite"
        headers = {"Authorization": f"Bearer {tokens[1]}"}
        model.write_bytes(api.get(f"/v1/federations/{federation}/trainable", headers=headers).content)
        operator.start(federation)
        other = coap.start("--model", str(model))
        web.kill_in_training("--form", "int8")
        assert operator.round(federation, 1)["state"] == "open", "it is waited for"
        said = web.ended(web.start("--form", "int8"))
        assert [part["round"] for part in said[:-2]] == [1, 2, 3]
        assert [part["round"] for part in coap.ended(other)[:-2]] == [1, 2, 3]
        ended = operator.federation(federation, lambda found: found["state"] in {"finished", "failed"})
        assert ended["state"] == "finished", ended
        assert ended["history"][-1]["score"]["value"] > 0.85, ended["history"]
        made = ended["result"]
        version = api.get(f"/v1/models/{made['model']}/versions/{made['version']}").json()
        assert version["metric"]["int8"] > 0.85
        for number in range(1, ROUNDS + 1):
            updates = operator.round(federation, number)["updates"]
            assert sorted((update["samples"], update["state"]) for update in updates) == [(700, "averaged")] * 2
