"""What a board is given at manufacture, and what is wrong with what is not a server or a key for it."""

from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from app.cli.client import ApiClient
from app.cli.errors import EndedBadly, Misused
from app.cli.fleet import secure_server, signing_point
from app.cli.session import DEFAULT_SERVER
from tests.unit.cli.conftest import Cli, FakeServer


def _ready(address: str | None) -> httpx.Response:
    checks = {"database": "ok", "jobs": "ok", "lwm2m": "ok"}
    body = {"ready": True, "checks": checks, "lwm2m": None, "lwm2m_secure": address, "builder_engine": "docker"}
    return httpx.Response(200, json=body)


def _client(server: FakeServer) -> ApiClient:
    return ApiClient(DEFAULT_SERVER, httpx.MockTransport(server))


@pytest.mark.parametrize(
    ("told", "given"),
    [
        ("coaps://127.0.0.1:5684", "coaps://10.0.2.2:5684"),
        ("coaps://0.0.0.0:5684", "coaps://10.0.2.2:5684"),
        ("coaps://192.0.2.7:5684", "coaps://192.0.2.7:5684"),
    ],
)
def test_a_board_reaches_its_host_by_the_address_that_it_has_for_it(server: FakeServer, told: str, given: str) -> None:
    server.on("GET /readyz", _ready(told))
    with _client(server) as client:
        assert secure_server(client) == given


@pytest.mark.parametrize("told", [None, "coaps://[2001:db8::1]:5684", "coaps://boards.example:5684"])
def test_a_server_that_a_board_cannot_reach_is_told_with_the_option_that_helps(
    server: FakeServer, told: str | None
) -> None:
    server.on("GET /readyz", _ready(told))
    with _client(server) as client, pytest.raises(EndedBadly) as refused:
        secure_server(client)
    assert "--lwm2m-" in (refused.value.remedy or "")


def test_the_signing_key_is_an_uncompressed_point_of_p_256(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(_pem(ec.generate_private_key(ec.SECP256R1()).public_key()))
    assert (len(signing_point(path)), signing_point(path)[0]) == (65, 4)
    for wrong in (
        b"no key",
        _pem(ec.generate_private_key(ec.SECP384R1()).public_key()),
        _pem(ed25519.Ed25519PrivateKey.generate().public_key()),
    ):
        path.write_bytes(wrong)
        with pytest.raises(Misused, match="is no"):
            signing_point(path)
    with pytest.raises(Misused, match="cannot be read"):
        signing_point(tmp_path / "nothing")


def test_a_board_that_is_not_emulated_is_refused(cli: Cli) -> None:
    result = cli("boards", "start", "--board", "mps2-an386")
    assert result.exit_code == 2
    assert "mps2-an386-os" in result.stderr


def _pem(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
