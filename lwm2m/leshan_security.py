"""Leshan's /security: which credentials devices come in with, as JSON of Leshan's, kept in a `SecurityStore`."""

import binascii
import secrets
from collections.abc import Mapping
from typing import cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lwm2m.errors import BadRequest
from lwm2m.leshan_http import Servlet, parse_json, read_body, text
from lwm2m.leshan_json import Json
from lwm2m.registration import MAX_ENDPOINT_NAME, is_endpoint_name
from lwm2m.security import BadCredential, Credential, IdentityTaken, OscoreCredential, PskCredential, SecurityStore

AES_CCM_16_64_128, HKDF_SHA_256 = 10, -10  # COSE algorithm numbers: the only ones that Leshan lets one choose
MAX_HEX = 8192  # digits of one field
LOCK = "locked "  # begins the identity of a key that nobody has


class Security(Servlet):
    """Everything under /security.

    Raw public keys and certificates are kept and told again, in memory: no transport here takes them. As with Leshan
    their endpoints do not register without protection, so such an endpoint does not register at all.
    """

    def __init__(self, store: SecurityStore) -> None:
        super().__init__({"GET": self._get, "PUT": self._put, "DELETE": self._delete})
        self._store = store
        self._others: dict[str, Json] = {}

    async def _get(self, _: Request, parts: list[str]) -> Response:
        match [part for part in parts if part]:
            case ["clients"]:
                stored = self._store.all().items()
                known = [credential_json(name, each) for name, each in stored if not _locks(each)]
                others = [{"endpoint": name, "tls": tls} for name, tls in self._others.items()]
                return JSONResponse([*known, *others])
            case ["server"]:
                return JSONResponse(server_security_json())
            case _:
                return text(400, "Bad Request")

    async def _put(self, request: Request, parts: list[str]) -> Response:
        if [part for part in parts if part] != ["clients"]:
            return text(400, "Bad Request")
        try:
            endpoint, credential = parse_security(parse_json(await read_body(request)))
            if isinstance(credential, PskCredential | OscoreCredential):
                self._store.put(endpoint, credential)
                self._others.pop(endpoint, None)
            else:
                # A key that nobody has keeps the endpoint from registering unprotected.
                self._store.put(endpoint, PskCredential(f"{LOCK}{secrets.token_hex(16)}", secrets.token_bytes(32)))
                self._others[endpoint] = credential
        except IdentityTaken as error:
            return text(400, str(error))
        except (BadRequest, BadCredential) as error:
            return text(400, f"Invalid request body: {error}")
        return Response()

    async def _delete(self, _: Request, parts: list[str]) -> Response:
        match parts:
            case ["clients", endpoint] if endpoint:
                other = self._others.pop(endpoint, None)
                removed = self._store.remove(endpoint) or other is not None
                return Response() if removed else JSONResponse({"message": "not_found"})
            case _:
                return text(400, "Bad Request")


def credential_json(endpoint: str, credential: Credential) -> Json:
    """A credential as Leshan lists it."""
    match credential:
        case PskCredential(identity=identity, key=key):
            details = {"identity": identity, "key": key.hex()}
            return {"endpoint": endpoint, "tls": {"mode": "psk", "details": details}}
        case OscoreCredential():
            context: Json = {
                "rid": credential.recipient_id.hex(),
                "sid": credential.sender_id.hex(),
                "msec": credential.master_secret.hex(),
            }
            if credential.master_salt:
                context["msalt"] = credential.master_salt.hex()
            return {"endpoint": endpoint, "oscore": context | {"aead": AES_CCM_16_64_128, "hkdf": HKDF_SHA_256}}


def server_security_json() -> Json:
    """The server's own public key or certificate: it has none, as no transport here uses one."""
    return {}


def parse_security(data: object) -> tuple[str, Credential | Json]:
    """An endpoint and its credential; the `tls` object itself for modes that are only kept.

    Raises:
        BadRequest: the JSON is no security information of Leshan's.
        BadCredential: its values cannot be used.
    """
    info = _object(data, "security info")
    endpoint = info.get("endpoint")
    if not isinstance(endpoint, str) or not is_endpoint_name(endpoint):
        raise BadRequest(f"Missing endpoint: a name has 1 to {MAX_ENDPOINT_NAME} printable characters")
    if "tls" in info:
        return endpoint, _tls(_object(info["tls"], "tls field"))
    if "oscore" in info:
        context = _object(info["oscore"], "oscore field")
        salt = _hex(context, "msalt") if "msalt" in context else b""
        identifiers = _hex(context, "rid"), _hex(context, "sid")
        return endpoint, OscoreCredential(*identifiers, _hex(context, "msec"), salt)
    raise BadRequest("Invalid security info content: give tls or oscore")


def _tls(tls: Mapping[str, object]) -> Credential | Json:
    match tls.get("mode"):
        case "psk":
            details = _object(tls.get("details"), "details field")
            identity = details.get("identity")
            if not isinstance(identity, str):
                raise BadRequest("Missing PSK identity")
            return PskCredential(identity, _hex(details, "key"))
        case "rpk":
            key = _hex(_object(tls.get("details"), "details field"), "key")
            try:
                load_der_public_key(key)
            except (ValueError, UnsupportedAlgorithm) as error:
                raise BadRequest("Invalid security info content: key is no public key in DER") from error
            return {"mode": "rpk", "details": {"key": key.hex()}}
        case "x509":
            return {"mode": "x509"}
        case _:
            raise BadRequest("Invalid security info content: the mode is psk, rpk or x509")


def _object(data: object, name: str) -> Mapping[str, object]:
    if not isinstance(data, dict):
        raise BadRequest(f"{name} should be a json object")
    return cast("dict[str, object]", data)


def _hex(fields: Mapping[str, object], name: str) -> bytes:
    value = fields.get(name)
    if not isinstance(value, str) or len(value) > MAX_HEX:
        raise BadRequest(f"Missing {name!r} field")
    try:
        return binascii.unhexlify(value)
    except ValueError as error:
        raise BadRequest(f"{name} parameter must be a valid hex string") from error


def _locks(credential: object) -> bool:
    """Whether a stored key is none that was given, but one that keeps its endpoint out: it is never told."""
    return isinstance(credential, PskCredential) and credential.identity.startswith(LOCK)
