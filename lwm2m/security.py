"""Device credentials: pre-shared keys and OSCORE contexts by endpoint, who may register as whom, and keys at rest."""

import os
import re
import secrets
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lwm2m.errors import Lwm2mError
from lwm2m.messages import Request

MAX_IDENTITY = 128  # bytes; RFC 4279, section 5.3, and what OpenSSL hands over
MAX_KEY = 64  # bytes; RFC 4279, section 5.3
MAX_OSCORE_ID = 7  # bytes: the nonce of AES-CCM-16-64-128 less six (RFC 8613, section 3.3)
MAX_OSCORE_FIELD = 64  # bytes of a secret, a salt or an id context
OSCORE_CLAIM = "oscore:"  # what the identity of a request begins with when OSCORE authenticated it
MASTER_KEY_SIZE = 32  # bytes: AES-256
_NONCE_SIZE = 12
_SEAL_VERSION = b"\x01"
_IDENTITY = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]+")  # without half a surrogate pair, which JSON can spell


class BadCredential(Lwm2mError, ValueError):
    """A credential cannot be used: the text says which part, and what it may be."""

    status = 400
    slug = "bad-device-credential"


class IdentityTaken(Lwm2mError):
    """Another endpoint uses this identity: identities are unique, choose another or remove that endpoint's first."""

    status = 409
    slug = "device-identity-taken"


class RegistrationForbidden(Lwm2mError):
    """The endpoint has a key and the request was not protected with it (CoAP 4.03)."""

    status = 403
    slug = "device-registration-forbidden"


class SealBroken(Lwm2mError):
    """A sealed key was changed, belongs to another name, or the master key is not the one that sealed it."""

    slug = "sealed-key-broken"


@dataclass(frozen=True, slots=True)
class PskCredential:
    """A pre-shared key of DTLS, found by the identity that the device sends.

    Raises:
        BadCredential: an empty, long or unprintable identity, or a key of no or too many bytes.
    """

    identity: str
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not _IDENTITY.fullmatch(self.identity) or len(self.identity.encode()) > MAX_IDENTITY:
            raise BadCredential(f"a PSK identity is 1 to {MAX_IDENTITY} bytes of UTF-8 without control characters")
        if self.identity.startswith(OSCORE_CLAIM):
            raise BadCredential(f"a PSK identity does not begin with {OSCORE_CLAIM!r}")
        if not 1 <= len(self.key) <= MAX_KEY:
            raise BadCredential(f"a pre-shared key is 1 to {MAX_KEY} bytes long")

    @property
    def claim(self) -> str:
        """The identity that requests under this key carry."""
        return self.identity


@dataclass(frozen=True, slots=True)
class OscoreCredential:
    """An OSCORE context as the server sees it: the device sends under `recipient_id` (RFC 8613, section 3).

    Raises:
        BadCredential: an id or a secret outside its bounds, or two equal ids.
    """

    recipient_id: bytes
    sender_id: bytes
    master_secret: bytes = field(repr=False)
    master_salt: bytes = field(default=b"", repr=False)
    id_context: bytes | None = None

    def __post_init__(self) -> None:
        if len(self.recipient_id) > MAX_OSCORE_ID or len(self.sender_id) > MAX_OSCORE_ID:
            raise BadCredential(f"an OSCORE id is at most {MAX_OSCORE_ID} bytes long")
        if self.recipient_id == self.sender_id:
            raise BadCredential("the OSCORE sender id and recipient id of a context differ")
        if not 16 <= len(self.master_secret) <= MAX_OSCORE_FIELD:
            raise BadCredential(f"an OSCORE master secret is 16 to {MAX_OSCORE_FIELD} bytes long")
        if len(self.master_salt) > MAX_OSCORE_FIELD or len(self.id_context or b"") > MAX_OSCORE_FIELD:
            raise BadCredential(f"an OSCORE salt or id context is at most {MAX_OSCORE_FIELD} bytes long")

    @property
    def claim(self) -> str:
        """The identity that requests under this context carry."""
        return OSCORE_CLAIM + self.recipient_id.hex()


Credential = PskCredential | OscoreCredential


class SecurityStore(Protocol):
    """Who may come in, and with which key. Lookups are immediate: a handshake waits for them."""

    def by_endpoint(self, endpoint: str) -> Credential | None:
        """The credential of an endpoint."""

    def by_psk_identity(self, identity: str) -> PskCredential | None:
        """The pre-shared key behind an identity."""

    def by_recipient_id(self, recipient_id: bytes) -> OscoreCredential | None:
        """The OSCORE context that a device sends under."""

    def endpoint_of(self, claim: str) -> str | None:
        """The endpoint that a claim (`Request.identity`) belongs to."""

    def all(self) -> Mapping[str, Credential]:
        """Every credential by endpoint."""

    def put(self, endpoint: str, credential: Credential) -> None:
        """Give an endpoint this credential, in place of the one it had.

        Raises:
            IdentityTaken: another endpoint uses its identity.
        """

    def remove(self, endpoint: str) -> bool:
        """Take the credential of an endpoint away; whether it had one."""


class MemorySecurityStore:
    """Implements `SecurityStore` with dictionaries: lost at exit."""

    def __init__(self, credentials: Mapping[str, Credential] | None = None) -> None:
        self._credentials: dict[str, Credential] = {}
        self._endpoints: dict[str, str] = {}
        for endpoint, credential in (credentials or {}).items():
            self.put(endpoint, credential)

    def by_endpoint(self, endpoint: str) -> Credential | None:
        """See `SecurityStore.by_endpoint`."""
        return self._credentials.get(endpoint)

    def by_psk_identity(self, identity: str) -> PskCredential | None:
        """See `SecurityStore.by_psk_identity`."""
        found = self._by_claim(identity)
        return found if isinstance(found, PskCredential) else None

    def by_recipient_id(self, recipient_id: bytes) -> OscoreCredential | None:
        """See `SecurityStore.by_recipient_id`."""
        found = self._by_claim(OSCORE_CLAIM + recipient_id.hex())
        return found if isinstance(found, OscoreCredential) else None

    def endpoint_of(self, claim: str) -> str | None:
        """See `SecurityStore.endpoint_of`."""
        return self._endpoints.get(claim)

    def all(self) -> Mapping[str, Credential]:
        """See `SecurityStore.all`."""
        return dict(self._credentials)

    def put(self, endpoint: str, credential: Credential) -> None:
        """See `SecurityStore.put`."""
        owner = self._endpoints.get(credential.claim)
        if owner not in (None, endpoint):
            raise IdentityTaken(f"the identity {credential.claim!r} belongs to another endpoint")
        self.remove(endpoint)
        self._credentials[endpoint] = credential
        self._endpoints[credential.claim] = endpoint

    def remove(self, endpoint: str) -> bool:
        """See `SecurityStore.remove`."""
        gone = self._credentials.pop(endpoint, None)
        if gone is not None:
            del self._endpoints[gone.claim]
        return gone is not None

    def _by_claim(self, claim: str) -> Credential | None:
        endpoint = self._endpoints.get(claim)
        return None if endpoint is None else self._credentials[endpoint]


def check_registration(store: SecurityStore, endpoint: str, request: Request) -> None:
    """Let a request speak for an endpoint, or not: the server calls it before it registers, updates or removes one.

    Raises:
        RegistrationForbidden: the endpoint has a key that did not protect the request, or the key is another's.
    """
    credential = store.by_endpoint(endpoint)
    if credential is not None and (not request.secure or request.identity != credential.claim):
        raise RegistrationForbidden("this endpoint has a key: register under its own secured connection")
    if credential is None and request.secure:
        raise RegistrationForbidden("this key belongs to another endpoint: register under the name it was made for")


def seal(key: bytes, master: bytes, name: str = "") -> bytes:
    """Encrypt a key for storage with AES-256-GCM; only `name` opens it again, so that two cannot be exchanged.

    Raises:
        ValueError: the master key is not 32 bytes long.
    """
    nonce = secrets.token_bytes(_NONCE_SIZE)
    return _SEAL_VERSION + nonce + _cipher(master).encrypt(nonce, key, _SEAL_VERSION + name.encode())


def open_sealed(sealed: bytes, master: bytes, name: str = "") -> bytes:
    """The key that `seal` encrypted.

    Raises:
        SealBroken: the bytes, the name or the master key are not those of the sealing.
        ValueError: the master key is not 32 bytes long.
    """
    cipher = _cipher(master)
    if sealed[:1] != _SEAL_VERSION:
        raise SealBroken("a sealed key has an unknown version")
    nonce = sealed[1 : 1 + _NONCE_SIZE]
    try:
        return cipher.decrypt(nonce, sealed[1 + _NONCE_SIZE :], _SEAL_VERSION + name.encode())
    except (InvalidTag, ValueError) as error:
        raise SealBroken("a sealed key does not open: restore the master key that sealed it") from error


def load_master_key(path: Path) -> bytes:
    """The master key in a file that only its owner reads; a new one when there is no file yet.

    Raises:
        SealBroken: others may read the file, or it holds no key.
        OSError: the file cannot be read or made.
    """
    if not path.exists():
        _make_master_key(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise SealBroken(f"others may read the master key: chmod 600 {path}")
    key = path.read_bytes()
    if len(key) != MASTER_KEY_SIZE:
        raise SealBroken(f"{path} holds no master key of {MASTER_KEY_SIZE} bytes: restore it from a backup")
    return key


def _make_master_key(path: Path) -> None:
    """Whole or not at all, and never in place of another: keys that were sealed under it would be lost."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".master-")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as new:
            new.write(secrets.token_bytes(MASTER_KEY_SIZE))
            new.flush()
            os.fsync(new.fileno())
        with suppress(FileExistsError):  # another process was quicker: its key counts
            os.link(name, path)
    finally:
        Path(name).unlink()


def _cipher(master: bytes) -> AESGCM:
    if len(master) != MASTER_KEY_SIZE:
        raise ValueError(f"a master key is {MASTER_KEY_SIZE} bytes long")
    return AESGCM(master)
