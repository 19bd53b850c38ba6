"""Training offloaded by small devices: sessions, and the repository of files under service keys."""

from typing import Annotated

from fastapi import Path, Query, Response

from app.api.content import content
from app.api.dependencies import (
    Cursor,
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    Limit,
    Octets,
    RangeHeader,
    ServicesDep,
    Version,
)
from app.contract.binding import Handlers
from app.contract.models import (
    OffloadConfText,
    OffloadDescription,
    OffloadMetrics,
    OffloadModelVersion,
    OffloadModelVersions,
    OffloadSession,
    OffloadSessionPage,
    OffloadSessionRequest,
)
from app.services.offload_models import as_offload_model

handlers = Handlers()

_NAME = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$"
SessionId = Annotated[str, Path(pattern="^off_[0-9a-f]{16}$")]
FileName = Annotated[str, Path(pattern=_NAME)]
ServiceKey = Annotated[str, Path(pattern=_NAME)]


@handlers("listOffloadSessions")
def list_sessions(
    services: ServicesDep,
    cursor: Cursor = None,
    limit: Limit = 50,
    topic: Annotated[str | None, Query(max_length=255)] = None,
) -> OffloadSessionPage:
    """Newest first."""
    with services.database.read() as session:
        page = services.offload.listing(session, cursor, limit, topic)
        items = [services.offload.as_session(session, row) for row in page.items]
    return OffloadSessionPage(items=items, next_cursor=page.next_cursor)


@handlers("createOffloadSession")
def create_session(
    services: ServicesDep,
    body: OffloadSessionRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - KeyedRoute acts on it; here it is validated
) -> OffloadSession:
    """A receiver waits for data."""
    with services.database.write() as transaction:
        row = services.offload.create(transaction, body)
        made = services.offload.as_session(transaction.session, row)
    response.headers["Location"] = f"/v1/offload/sessions/{made.id}"
    return made


@handlers("getOffloadSession")
def get_session(services: ServicesDep, session_id: SessionId) -> OffloadSession:
    """One session."""
    with services.database.read() as session:
        return services.offload.as_session(session, services.offload.session(session, session_id))


@handlers("deleteOffloadSession")
def delete_session(services: ServicesDep, session_id: SessionId) -> None:
    """With its samples."""
    with services.dataset_files.held(), services.database.write() as transaction:
        services.offload.delete(transaction, session_id)


@handlers("joinOffloadSession")
def join_session(services: ServicesDep, session_id: SessionId, body: OffloadConfText) -> OffloadSession:
    """The sender's conf."""
    with services.database.write() as transaction:
        row = services.offload.join(transaction, session_id, body.conf)
        return services.offload.as_session(transaction.session, row)


@handlers("leaveOffloadSession")
def leave_session(services: ServicesDep, session_id: SessionId) -> None:
    """The sender goes, with its files."""
    with (
        services.offload.turn(session_id),
        services.dataset_files.held(),
        services.database.write() as transaction,
    ):
        services.offload.leave(transaction, session_id)


@handlers("putOffloadFile")
def put_file(services: ServicesDep, session_id: SessionId, file_name: FileName, body: Octets) -> OffloadSession:
    """A file of the sender; with the last one the training begins."""
    with services.offload.turn(session_id), services.dataset_files.held():
        with services.database.read() as session:
            received = services.offload.receive(session, session_id, file_name, body)
        with services.database.write() as transaction:
            row = services.offload.store(transaction, session_id, received)
            return services.offload.as_session(transaction.session, row)


@handlers("getOffloadMetrics")
def get_metrics(services: ServicesDep, session_id: SessionId) -> OffloadMetrics:
    """Four numbers for each epoch."""
    with services.database.read() as session:
        return services.offload.metrics(session, session_id)


@handlers("cancelOffloadSession")
def cancel_session(services: ServicesDep, session_id: SessionId) -> OffloadSession:
    """Stop waiting or training."""
    with services.database.write() as transaction:
        row = services.offload.cancel(transaction, session_id)
        return services.offload.as_session(transaction.session, row)


@handlers("getOffloadResult")
def get_result(
    services: ServicesDep,
    session_id: SessionId,
    range_: RangeHeader = None,
    if_none_match: IfNoneMatch = None,
    if_match: IfMatch = None,
) -> Response:
    """The trained model."""
    with services.database.read() as session:
        name, sha256 = services.offload.result(session, session_id)
    path = services.blobs.path(sha256)
    return content(path, sha256, filename=name, range_=range_, if_none_match=if_none_match, if_match=if_match)


@handlers("listOffloadModelVersions")
def list_versions(services: ServicesDep, service_key: ServiceKey) -> OffloadModelVersions:
    """All of a key."""
    with services.database.read() as session:
        found = services.offload_models.versions(session, service_key)
    return OffloadModelVersions(items=[as_offload_model(row) for row in found])


@handlers("registerOffloadModel")
def register_model(
    services: ServicesDep,
    service_key: ServiceKey,
    name: Annotated[str, Query(pattern=_NAME)],
    body: Octets,
    response: Response,
    activate: Annotated[bool, Query()] = False,
    description: Annotated[str, Query(max_length=2000)] = "",
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - KeyedRoute acts on it; here it is validated
) -> OffloadModelVersion:
    """The next version."""
    with services.database.write() as transaction:
        row = services.offload_models.register(
            transaction, service_key, name, body, activate=activate, description=description
        )
        made = as_offload_model(row)
    response.headers["Location"] = f"/v1/offload/models/{service_key}/versions/{made.version}"
    return made


@handlers("getActivatedOffloadModel")
def get_activated(services: ServicesDep, service_key: ServiceKey) -> OffloadModelVersion:
    """The activated one."""
    with services.database.read() as session:
        return as_offload_model(services.offload_models.activated(session, service_key))


@handlers("getOffloadModelVersion")
def get_version(services: ServicesDep, service_key: ServiceKey, version: Version) -> OffloadModelVersion:
    """One version."""
    with services.database.read() as session:
        return as_offload_model(services.offload_models.version(session, service_key, version))


@handlers("deleteOffloadModelVersion")
def delete_version(
    services: ServicesDep, service_key: ServiceKey, version: Version, force: Annotated[bool, Query()] = False
) -> None:
    """Take it away."""
    with services.database.write() as transaction:
        services.offload_models.delete(transaction, service_key, version, force=force)


@handlers("getOffloadModelContent")
def get_version_content(
    services: ServicesDep,
    service_key: ServiceKey,
    version: Version,
    range_: RangeHeader = None,
    if_none_match: IfNoneMatch = None,
    if_match: IfMatch = None,
) -> Response:
    """The file."""
    with services.database.read() as session:
        row = services.offload_models.version(session, service_key, version)
    path = services.blobs.path(row.sha256)
    return content(path, row.sha256, filename=row.name, range_=range_, if_none_match=if_none_match, if_match=if_match)


@handlers("activateOffloadModelVersion")
def activate_version(services: ServicesDep, service_key: ServiceKey, version: Version) -> OffloadModelVersion:
    """This one and no other."""
    with services.database.write() as transaction:
        return as_offload_model(services.offload_models.activate(transaction, service_key, version))


@handlers("describeOffloadModelVersion")
def describe_version(
    services: ServicesDep, service_key: ServiceKey, version: Version, body: OffloadDescription
) -> OffloadModelVersion:
    """Another description."""
    with services.database.write() as transaction:
        return as_offload_model(services.offload_models.describe(transaction, service_key, version, body.description))
