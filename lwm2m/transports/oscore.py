"""OSCORE (RFC 8613): security contexts made from the credentials, their sequence numbers kept in a folder."""

import fcntl
import json
import os
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Any

from aiocoap import oscore
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper

from lwm2m.errors import DeviceUnreachable
from lwm2m.security import OscoreCredential, SecurityStore

RESERVED_NUMBERS = 64  # sequence numbers that one write to the folder covers (RFC 8613, appendix B.1.1)


class OscoreContexts:
    """The contexts of a server, each made when it is first needed.

    Raises:
        OSError: another server uses the folder; two would use the same numbers, which breaks the encryption.
    """

    def __init__(self, store: SecurityStore, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = (folder / "lock").open("wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise OSError(error.errno, f"another server uses the OSCORE folder {folder}: give each its own") from error
        self._store = store
        self._folder = folder
        self._contexts: dict[bytes, SecurityContext] = {}

    def by_recipient_id(self, recipient_id: bytes) -> "SecurityContext":
        """The context that a device sends under.

        Raises:
            DeviceUnreachable: there is no such credential any more.
        """
        credential = self._store.by_recipient_id(recipient_id)
        context = self._contexts.get(recipient_id)
        if context is not None and context.credential == credential:
            return context
        if context is not None:
            self._contexts.pop(recipient_id).close()
        if credential is None:
            raise DeviceUnreachable("the device's OSCORE credential was removed: give it one, and let it register")
        context = self._contexts[recipient_id] = SecurityContext(credential, self._folder)
        return context

    def find_oscore(self, unprotected: dict[int, bytes]) -> "SecurityContext":
        """Aiocoap: the context of an incoming request.

        Raises:
            KeyError: there is none.
        """
        recipient_id = unprotected.get(oscore.COSE_KID)
        if recipient_id is None or self._store.by_recipient_id(recipient_id) is None:
            raise KeyError(recipient_id)
        context = self.by_recipient_id(recipient_id)
        if unprotected.get(oscore.COSE_KID_CONTEXT, context.id_context) != context.id_context:
            raise KeyError(recipient_id)
        return context

    def close(self) -> None:
        """Write down where each context stands, and let go of the folder."""
        for context in self._contexts.values():
            context.close()
        self._contexts.clear()
        self._lock.close()


class SecurityContext(oscore.CanProtect, oscore.CanUnprotect, oscore.SecurityContextUtils):  # type: ignore[misc]  # aiocoap has no types
    """A context from a credential, for either side.

    The file is named by the hash of the whole credential, so that a key which comes back never uses a number twice.
    Numbers are reserved in advance. What was received is only written by `close`: after a crash the peer has to prove
    with an Echo option that its next request is fresh (RFC 8613, appendix B.1.2).
    """

    def __init__(self, credential: OscoreCredential, folder: Path) -> None:
        self.credential = credential
        self.sender_id = credential.sender_id
        self.recipient_id = credential.recipient_id
        self.id_context = credential.id_context
        self.alg_aead = oscore.algorithms[oscore.DEFAULT_ALGORITHM]
        self.hashfun = oscore.hashfunctions[oscore.DEFAULT_HASHFUNCTION]
        self.derive_keys(credential.master_salt, credential.master_secret)
        self.authenticated_claims = [credential.claim]
        self.echo_recovery = secrets.token_bytes(8)
        self.recipient_replay_window = oscore.ReplayWindow(oscore.DEFAULT_WINDOWSIZE, self._received_one)
        self.sender_sequence_number = self._reserved = 0
        self._path = folder / f"{_fingerprint(credential)}.json"
        self._load()

    def post_seqnoincrease(self) -> None:
        """Aiocoap: a number was taken; it is sent only after this returns."""
        if self.sender_sequence_number > self._reserved:
            self._reserved = self.sender_sequence_number + RESERVED_NUMBERS
            self._store(received=None)
            self._window_on_disk = False

    def close(self) -> None:
        """Give unused numbers back, and write down what was received."""
        self._reserved = self.sender_sequence_number
        window = self.recipient_replay_window
        self._store(received=window.persist() if window.is_initialized() else None)

    def _load(self) -> None:
        try:
            state = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            state = {"next": 0, "received": {"index": 0, "bitfield": 0}}
        self.sender_sequence_number = self._reserved = int(state["next"])
        self._window_on_disk = state["received"] is not None
        if state["received"] is not None:
            self.recipient_replay_window.initialize_from_persisted(state["received"])

    def _received_one(self) -> None:
        # The window on disk is out of date from the first message on: without it, a crash leads to Echo, not to replay.
        if self._window_on_disk:
            self._window_on_disk = False
            self._store(received=None)

    def _store(self, received: dict[str, int] | None) -> None:
        draft = self._path.with_suffix(".new")
        with draft.open("wb") as file:
            file.write(json.dumps({"next": self._reserved, "received": received}).encode())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)


class ProtectedSite(OscoreSiteWrapper):  # type: ignore[misc]  # aiocoap has no types
    """Takes the protection off requests and puts it on their answers; EDHOC is not offered."""

    async def _render_edhoc_to_pipe(self, pipe: Any) -> None:
        await self._inner_site.render_to_pipe(pipe)


def _fingerprint(credential: OscoreCredential) -> str:
    parts = (
        credential.recipient_id,
        credential.sender_id,
        credential.master_secret,
        credential.master_salt,
        credential.id_context,
    )
    return sha256(repr(parts).encode()).hexdigest()
