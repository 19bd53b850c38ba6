"""OSCORE contexts: where their numbers are kept, and what a restart and a crash mean for them."""

import json
import shutil
from pathlib import Path
from typing import Any

import aiocoap
import pytest
from aiocoap import oscore
from aiocoap.message import Direction

from lwm2m.errors import DeviceUnreachable
from lwm2m.security import MemorySecurityStore, OscoreCredential
from lwm2m.transports.oscore import RESERVED_NUMBERS, OscoreContexts, SecurityContext

SERVER = OscoreCredential(b"\x01", b"\x02", bytes(16), b"salt")
DEVICE = OscoreCredential(b"\x02", b"\x01", bytes(16), b"salt")


def incoming(protected: Any) -> Any:
    """A protected message as the other side receives it."""
    message = aiocoap.Message(code=protected.code, payload=protected.payload)
    message.opt.decode(protected.opt.encode())
    message.direction = Direction.INCOMING
    return message


def request(sender: SecurityContext, **options: Any) -> Any:
    return incoming(sender.protect(aiocoap.Message(code=aiocoap.POST, uri_path=("rd",), **options))[0])


@pytest.fixture
def device(tmp_path: Path) -> SecurityContext:
    return SecurityContext(DEVICE, tmp_path / "device")


@pytest.fixture(autouse=True)
def folders(tmp_path: Path) -> None:
    for name in ("device", "server"):
        (tmp_path / name).mkdir()


def test_a_message_is_taken_once(tmp_path: Path, device: SecurityContext) -> None:
    server = SecurityContext(SERVER, tmp_path / "server")
    message = request(device)
    assert server.unprotect(message)[0].opt.uri_path == ("rd",)
    with pytest.raises(oscore.ReplayError):
        server.unprotect(message)


def test_no_number_is_used_twice_whatever_happens(tmp_path: Path) -> None:
    folder, used = tmp_path / "server", []
    for _ in range(3):
        context = SecurityContext(SERVER, folder)
        used += [context.new_sequence_number() for _ in range(RESERVED_NUMBERS + 2)]  # and then it crashes
    context = SecurityContext(SERVER, folder)
    used.append(context.new_sequence_number())
    context.close()
    used.append(SecurityContext(SERVER, folder).new_sequence_number())
    assert len(set(used)) == len(used)
    assert used == sorted(used)
    assert used[-1] == used[-2] + 1  # a clean end wastes none


def test_after_a_clean_end_a_replay_is_still_known(tmp_path: Path, device: SecurityContext) -> None:
    server = SecurityContext(SERVER, tmp_path / "server")
    message = request(device)
    server.unprotect(message)
    server.close()
    restarted = SecurityContext(SERVER, tmp_path / "server")
    with pytest.raises(oscore.ReplayError):
        restarted.unprotect(message)
    restarted.unprotect(request(device))


def test_after_a_crash_a_device_proves_that_it_is_fresh(tmp_path: Path, device: SecurityContext) -> None:
    server = SecurityContext(SERVER, tmp_path / "server")
    old = request(device)
    server.unprotect(old)
    shutil.copytree(tmp_path / "server", tmp_path / "crash")
    restarted = SecurityContext(SERVER, tmp_path / "crash")
    with pytest.raises(oscore.ReplayErrorWithEcho) as asked:
        restarted.unprotect(old)
    with pytest.raises(oscore.ReplayErrorWithEcho):
        restarted.unprotect(request(device))
    restarted.unprotect(request(device, echo=asked.value.echo))
    restarted.unprotect(request(device))


def test_a_file_holds_no_secret_and_its_name_none_either(tmp_path: Path) -> None:
    context = SecurityContext(SERVER, tmp_path / "server")
    context.new_sequence_number()
    (file,) = (tmp_path / "server").iterdir()
    assert json.loads(file.read_text()) == {"next": 1 + RESERVED_NUMBERS, "received": None}
    assert len(file.stem) == 64


def test_contexts_follow_the_store(tmp_path: Path) -> None:
    store = MemorySecurityStore({"dev1": SERVER})
    contexts = OscoreContexts(store, tmp_path / "server")
    found = contexts.find_oscore({oscore.COSE_KID: b"\x01"})
    assert found is contexts.by_recipient_id(b"\x01")
    assert found.authenticated_claims == ["oscore:01"]
    for unknown in ({}, {oscore.COSE_KID: b"\x09"}, {oscore.COSE_KID: b"\x01", oscore.COSE_KID_CONTEXT: b"x"}):
        with pytest.raises(KeyError):
            contexts.find_oscore(unknown)
    store.put("dev1", OscoreCredential(b"\x01", b"\x02", bytes(range(16))))
    assert contexts.by_recipient_id(b"\x01") is not found
    store.remove("dev1")
    with pytest.raises(DeviceUnreachable, match="was removed"):
        contexts.by_recipient_id(b"\x01")
    contexts.close()


def test_two_servers_do_not_share_a_folder(tmp_path: Path) -> None:
    contexts = OscoreContexts(MemorySecurityStore(), tmp_path / "server")
    with pytest.raises(OSError, match="another server uses"):
        OscoreContexts(MemorySecurityStore(), tmp_path / "server")
    contexts.close()
    OscoreContexts(MemorySecurityStore(), tmp_path / "server").close()
