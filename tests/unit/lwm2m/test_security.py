"""Credentials, the store, who may register as whom, and keys at rest."""

import re
from pathlib import Path

import pytest

from lwm2m.messages import Method, Request
from lwm2m.security import (
    BadCredential,
    Credential,
    IdentityTaken,
    MemorySecurityStore,
    OscoreCredential,
    PskCredential,
    RegistrationForbidden,
    SealBroken,
    check_registration,
    load_master_key,
    open_sealed,
    seal,
)

KEY = b"sixteen bytes ok"
PSK = PskCredential("id1", KEY)
OSCORE = OscoreCredential(b"\x01", b"\x02", bytes(16))


@pytest.mark.parametrize("identity", ["", "a\0b", "line\n", "x" * 129, "ü" * 65, "oscore:01"])
def test_an_identity_that_no_handshake_can_carry_is_refused(identity: str) -> None:
    with pytest.raises(BadCredential, match="PSK identity"):
        PskCredential(identity, KEY)


@pytest.mark.parametrize("key", [b"", bytes(65)])
def test_a_key_has_bounds(key: bytes) -> None:
    with pytest.raises(BadCredential, match="1 to 64 bytes"):
        PskCredential("dev1", key)


@pytest.mark.parametrize(
    ("recipient_id", "sender_id", "secret", "salt"),
    [
        (bytes(8), b"", bytes(16), b""),
        (b"", bytes(8), bytes(16), b""),
        (b"\x01", b"\x01", bytes(16), b""),
        (b"", b"\x01", bytes(15), b""),
        (b"", b"\x01", bytes(65), b""),
        (b"", b"\x01", bytes(16), bytes(65)),
    ],
)
def test_an_oscore_context_has_bounds(recipient_id: bytes, sender_id: bytes, secret: bytes, salt: bytes) -> None:
    with pytest.raises(BadCredential, match="OSCORE"):
        OscoreCredential(recipient_id, sender_id, secret, salt)


@pytest.mark.parametrize("credential", [PSK, OscoreCredential(b"", b"\x01", KEY, KEY, b"ctx")])
def test_a_key_does_not_show_in_logs(credential: Credential) -> None:
    assert "sixteen" not in repr(credential)


def test_a_store_finds_a_credential_by_each_of_its_names() -> None:
    store = MemorySecurityStore({"dev1": PSK, "dev2": OSCORE})
    assert (store.by_endpoint("dev1"), store.by_endpoint("id1")) == (PSK, None)
    assert (store.by_psk_identity("id1"), store.by_psk_identity("oscore:01")) == (PSK, None)
    assert (store.by_recipient_id(b"\x01"), store.by_recipient_id(b"\x02")) == (OSCORE, None)
    assert (store.endpoint_of("id1"), store.endpoint_of("oscore:01"), store.endpoint_of("x")) == ("dev1", "dev2", None)
    assert store.all() == {"dev1": PSK, "dev2": OSCORE}


def test_an_identity_belongs_to_one_endpoint() -> None:
    store = MemorySecurityStore({"dev1": PSK})
    with pytest.raises(IdentityTaken):
        store.put("dev2", PskCredential("id1", b"other"))
    assert store.all() == {"dev1": PSK}


def test_a_new_credential_replaces_the_old_one_and_its_identity() -> None:
    store = MemorySecurityStore({"dev1": PSK})
    store.put("dev1", PskCredential("id1", b"other"))
    store.put("dev1", OSCORE)
    assert store.by_psk_identity("id1") is None
    assert (store.remove("dev1"), store.remove("dev1")) == (True, False)
    assert store.endpoint_of("oscore:01") is None


@pytest.mark.parametrize(
    ("endpoint", "secure", "identity", "allowed"),
    [
        ("dev1", True, "id1", True),
        ("dev1", False, None, False),
        ("dev1", False, "id1", False),
        ("dev1", True, "oscore:01", False),
        ("dev2", True, "oscore:01", True),
        ("dev2", True, "id1", False),
        ("free", False, None, True),
        ("free", True, "id1", False),
    ],
)
def test_who_may_register_as_whom(endpoint: str, secure: bool, identity: str | None, allowed: bool) -> None:
    store = MemorySecurityStore({"dev1": PSK, "dev2": OSCORE})
    request = Request(Method.POST, ("rd",), secure=secure, identity=identity)
    if allowed:
        check_registration(store, endpoint, request)
    else:
        with pytest.raises(RegistrationForbidden):
            check_registration(store, endpoint, request)


def test_a_sealed_key_opens_under_its_name_and_master_key_only() -> None:
    master = bytes(range(32))
    sealed = seal(KEY, master, "dev1")
    assert KEY not in sealed
    assert seal(KEY, master, "dev1") != sealed
    assert open_sealed(sealed, master, "dev1") == KEY
    broken = [
        (sealed, master, "dev2"),
        (sealed, bytes(32), "dev1"),
        (sealed[:-1], master, "dev1"),
        (b"", master, "dev1"),
    ]
    broken += [(bytes([sealed[i] ^ 1]).join((sealed[:i], sealed[i + 1 :])), master, "dev1") for i in range(len(sealed))]
    for bad in broken:
        with pytest.raises(SealBroken):
            open_sealed(*bad)


def test_a_master_key_is_32_bytes_long() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        seal(KEY, b"short")


def test_the_master_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    key = load_master_key(path)
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_master_key(path) == key
    path.chmod(0o640)
    with pytest.raises(SealBroken, match=re.escape(f"chmod 600 {path}")):
        load_master_key(path)


def test_a_truncated_master_key_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(b"short")
    path.chmod(0o600)
    with pytest.raises(SealBroken, match="backup"):
        load_master_key(path)
