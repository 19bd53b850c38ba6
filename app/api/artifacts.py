"""Signed images, stored by their SHA-256."""

from fastapi import Header, Response

from app.api.content import content
from app.api.dependencies import Cursor, IfMatch, IfNoneMatch, Limit, RangeHeader, ServicesDep, Sha256
from app.contract.binding import Handlers
from app.contract.models import Artifact, ArtifactPage

handlers = Handlers()


@handlers("listArtifacts")
def list_artifacts(services: ServicesDep, cursor: Cursor = None, limit: Limit = 50) -> ArtifactPage:
    """Artifacts, newest first."""
    with services.database.read() as session:
        page = services.builds.artifacts(session, cursor, limit)
        items = [services.builds.as_artifact(session, row) for row in page.items]
    return ArtifactPage(items=items, next_cursor=page.next_cursor)


@handlers("getArtifact")
def get_artifact(services: ServicesDep, sha256: Sha256) -> Artifact:
    """Its provenance, and who runs it."""
    with services.database.read() as session:
        return services.builds.as_artifact(session, services.builds.artifact(session, sha256))


@handlers("getArtifactContent")
def get_artifact_content(
    services: ServicesDep,
    sha256: Sha256,
    range_: RangeHeader = None,
    if_none_match: IfNoneMatch = None,
    if_match: IfMatch = None,
    if_range: str | None = Header(default=None, include_in_schema=False),
) -> Response:
    """The signed image."""
    return _content(services, sha256, range_, if_none_match, if_match, if_range, head=False)


@handlers("headArtifactContent")
def head_artifact_content(
    services: ServicesDep,
    sha256: Sha256,
    range_: RangeHeader = None,
    if_none_match: IfNoneMatch = None,
    if_match: IfMatch = None,
    if_range: str | None = Header(default=None, include_in_schema=False),
) -> Response:
    """Its size and ETag."""
    return _content(services, sha256, range_, if_none_match, if_match, if_range, head=True)


def _content(
    services: ServicesDep,
    sha256: str,
    range_: str | None,
    if_none_match: str | None,
    if_match: str | None,
    if_range: str | None,
    *,
    head: bool,
) -> Response:
    with services.database.read() as session:
        row = services.builds.artifact(session, sha256)
    return content(
        services.blobs.path(row.sha256),
        row.sha256,
        filename=f"{row.model}-{row.board}-{row.firmware_version}.{row.format}",
        range_=range_,
        if_none_match=if_none_match,
        if_match=if_match,
        if_range=if_range,
        head=head,
    )
