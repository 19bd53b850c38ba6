"""Devices' keys: given once, kept encrypted, and looked up by the LwM2M server at each handshake."""

import json
import secrets
from collections.abc import Mapping

from sqlmodel import Session

from app.contract import models as api
from app.errors import BadRequest, Conflict, NotFound
from app.storage import credentials as rows
from app.storage.database import Database
from app.storage.tables import CredentialRow
from lwm2m.security import (
    BadCredential,
    Credential,
    IdentityTaken,
    MemorySecurityStore,
    OscoreCredential,
    PskCredential,
    open_sealed,
    seal,
)

KEY_BYTES = 16
"""What the server makes: 128 bits, as the mandatory cipher suite has."""


class StoredSecurity:
    """`lwm2m.security.SecurityStore` that outlives the process: read from memory, written to the database first."""

    def __init__(self, database: Database, master_key: bytes) -> None:
        self._database = database
        self._master_key = master_key
        with database.read() as session:
            self._memory = MemorySecurityStore({row.endpoint: self._open(row) for row in rows.all_rows(session)})

    def by_endpoint(self, endpoint: str) -> Credential | None:
        """The credential of an endpoint."""
        return self._memory.by_endpoint(endpoint)

    def by_psk_identity(self, identity: str) -> PskCredential | None:
        """The pre-shared key behind an identity."""
        return self._memory.by_psk_identity(identity)

    def by_recipient_id(self, recipient_id: bytes) -> OscoreCredential | None:
        """The OSCORE context that a device sends under."""
        return self._memory.by_recipient_id(recipient_id)

    def endpoint_of(self, claim: str) -> str | None:
        """The endpoint that a claim belongs to."""
        return self._memory.endpoint_of(claim)

    def all(self) -> Mapping[str, Credential]:
        """Every credential by endpoint."""
        return self._memory.all()

    def put(self, endpoint: str, credential: Credential) -> None:
        """Give an endpoint this credential; IdentityTaken when another has its identity."""
        owner = self._memory.endpoint_of(credential.claim)
        if owner not in {None, endpoint}:
            raise IdentityTaken(f"the identity {credential.claim!r} belongs to another endpoint")
        sealed = seal(_to_json(credential), self._master_key, endpoint)
        with self._database.write() as transaction:
            rows.put(transaction.session, endpoint, credential.claim, sealed.hex())
        self._memory.put(endpoint, credential)

    def remove(self, endpoint: str) -> bool:
        """Take the credential of an endpoint away; whether it had one."""
        with self._database.write() as transaction:
            rows.remove(transaction.session, endpoint)
        return self._memory.remove(endpoint)

    def _open(self, row: CredentialRow) -> Credential:
        return _from_json(open_sealed(bytes.fromhex(row.sealed), self._master_key, row.endpoint))


class CredentialService:
    """Use cases of devices' keys."""

    def __init__(self, store: StoredSecurity) -> None:
        self._store = store

    def issue(self, endpoint: str, request: api.CredentialsRequest) -> bytes:
        """Give a device a pre-shared key, and answer it: it cannot be had again."""
        key = bytes.fromhex(request.key) if request.key else secrets.token_bytes(KEY_BYTES)
        try:
            self._store.put(endpoint, PskCredential(request.identity or endpoint, key))
        except BadCredential as error:
            raise BadRequest(
                "bad_credential", str(error), "Give `identity`, or another key.", "body.identity"
            ) from error
        except IdentityTaken as error:
            raise Conflict("identity_taken", str(error), "Choose another identity.", "body.identity") from error
        return key

    def revoke(self, endpoint: str) -> None:
        """Take a device's key away."""
        if not self._store.remove(endpoint):
            raise _none(endpoint)

    @staticmethod
    def row(session: Session, endpoint: str) -> CredentialRow:
        """What is stored of a device's key, or NotFound."""
        row = rows.by_endpoint(session, endpoint)
        if row is None:
            raise _none(endpoint)
        return row


def _none(endpoint: str) -> NotFound:
    return NotFound(
        "credentials_not_found",
        f"{endpoint} has no key: it may register without DTLS.",
        "PUT /v1/devices/{endpoint}/credentials gives it one.",
        "endpoint",
    )


def _to_json(credential: Credential) -> bytes:
    if isinstance(credential, PskCredential):
        fields: dict[str, str | None] = {"identity": credential.identity, "key": credential.key.hex()}
    else:
        fields = {
            "recipient_id": credential.recipient_id.hex(),
            "sender_id": credential.sender_id.hex(),
            "master_secret": credential.master_secret.hex(),
            "master_salt": credential.master_salt.hex(),
            "id_context": None if credential.id_context is None else credential.id_context.hex(),
        }
    return json.dumps(fields).encode()


def _from_json(data: bytes) -> Credential:
    fields = json.loads(data)
    if "identity" in fields:
        return PskCredential(fields["identity"], bytes.fromhex(fields["key"]))
    context = fields.pop("id_context")
    decoded = {name: bytes.fromhex(value) for name, value in fields.items()}
    return OscoreCredential(**decoded, id_context=None if context is None else bytes.fromhex(context))
