"""Devices' keys for DTLS: shown when they are given, and never again."""

from fastapi import Response

from app.api.dependencies import Endpoint, ServicesDep
from app.contract.binding import Handlers
from app.contract.models import CredentialsRequest, DeviceCredentials, IssuedCredentials

handlers = Handlers()


@handlers("getCredentials")
def get_credentials(services: ServicesDep, endpoint: Endpoint) -> DeviceCredentials:
    """Which identity the device must use."""
    with services.database.read() as session:
        row = services.credentials.row(session, endpoint)
    return DeviceCredentials(endpoint=endpoint, identity=row.claim, created_at=row.created_at)


@handlers("setCredentials")
def set_credentials(services: ServicesDep, endpoint: Endpoint, body: CredentialsRequest) -> IssuedCredentials:
    """Give it a key."""
    key = services.credentials.issue(endpoint, body)
    with services.database.read() as session:
        row = services.credentials.row(session, endpoint)
    return IssuedCredentials(endpoint=endpoint, identity=row.claim, key=key.hex(), created_at=row.created_at)


@handlers("deleteCredentials")
def delete_credentials(services: ServicesDep, endpoint: Endpoint) -> Response:
    """Take it away."""
    services.credentials.revoke(endpoint)
    return Response(status_code=204)
