"""What handlers ask for: the services, and parameters with the contract's bounds."""

from typing import Annotated

from fastapi import Depends, Header, Path, Query, Request

from app.errors import Invalid, UnsupportedMedia
from app.services.container import Services


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]

_NAME = "^[a-z0-9][a-z0-9-]{0,62}$"

Cursor = Annotated[str | None, Query(max_length=200)]
Limit = Annotated[int, Query(ge=1, le=200)]
IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", min_length=1, max_length=128, pattern="^[!-~]+$")
]
BoardName = Annotated[str, Path(pattern=_NAME)]
BuilderId = Annotated[str, Path(pattern="^bldr_[0-9a-f]{16}$")]
DatasetName = Annotated[str, Path(pattern=_NAME)]
SampleId = Annotated[int, Path(ge=1, le=9007199254740991)]
UploadId = Annotated[str, Path(pattern="^upl_[0-9a-f]{16}$")]
CheckId = Annotated[str, Path(pattern="^chk_[0-9a-f]{16}$")]
ModelName = Annotated[str, Path(pattern=_NAME)]
ModelQuery = Annotated[str | None, Query(pattern=_NAME)]
Version = Annotated[int, Path(ge=1, le=2147483647)]
BuildId = Annotated[str, Path(pattern="^bld_[0-9a-f]{16}$")]
TrainingJobId = Annotated[str, Path(pattern="^trn_[0-9a-f]{16}$")]
MonitorId = Annotated[str, Path(pattern="^mon_[0-9a-f]{16}$")]
AlarmId = Annotated[str, Path(pattern="^alm_[0-9a-f]{16}$")]
UpdateId = Annotated[str, Path(pattern="^upd_[0-9a-f]{16}$")]
Sha256 = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
Endpoint = Annotated[str, Path(min_length=1, max_length=255)]
ResourcePath = Annotated[str, Path(max_length=24, pattern="^[0-9]{1,5}(/[0-9]{1,5}){0,3}$")]
EndpointQuery = Annotated[str | None, Query(min_length=1, max_length=255)]


def _known(services: ServicesDep, endpoint: Endpoint) -> str:
    """404 for a device that never registered, rather than 409 for one that is not registered now."""
    with services.database.read() as session:
        services.devices.device(session, endpoint)
    return endpoint


KnownEndpoint = Annotated[str, Depends(_known)]
"""For handlers that ask the device: the look into the database is made in a thread, and not on the event loop."""

RangeHeader = Annotated[str | None, Header(alias="Range", max_length=200)]
IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match", max_length=400)]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=400)]


async def octets(request: Request) -> bytes:
    """The body of an upload; the body limit of the middleware bounds it."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/octet-stream":
        raise UnsupportedMedia(
            "unsupported_media_type",
            f"The body is {media_type or 'of no declared type'}; this takes application/octet-stream.",
            "Send the file itself: curl --data-binary @model.tflite -H 'Content-Type: application/octet-stream'.",
            "header.Content-Type",
        )
    body = await request.body()
    if not body:
        raise Invalid("empty_body", "The body is empty.", "Send the file's bytes as the body.", "body")
    return body


Octets = Annotated[bytes, Depends(octets)]
