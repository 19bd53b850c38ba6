"""Snapshots of datasets, by their SHA-256."""

from fastapi import Header, Response

from app.api.content import content
from app.api.dependencies import (
    Cursor,
    DatasetName,
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    Limit,
    RangeHeader,
    ServicesDep,
    Sha256,
)
from app.contract.binding import Handlers
from app.contract.models import Snapshot, SnapshotPage, SnapshotRequest
from zoo.datasets.split import Plan

handlers = Handlers()


@handlers("listSnapshots")
def list_snapshots(
    services: ServicesDep, dataset_name: DatasetName, cursor: Cursor = None, limit: Limit = 50
) -> SnapshotPage:
    """Newest first."""
    with services.database.read() as session:
        services.datasets.dataset(session, dataset_name)
        page = services.snapshots.listing(session, dataset_name, cursor, limit)
        items = [services.snapshots.as_snapshot(session, row) for row in page.items]
    return SnapshotPage(items=items, next_cursor=page.next_cursor)


@handlers("createSnapshot")
def create_snapshot(
    services: ServicesDep,
    dataset_name: DatasetName,
    body: SnapshotRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - KeyedRoute acts on it; here it is validated
) -> Snapshot:
    """Split the dataset as it is now, and keep it."""
    with services.dataset_files.held():
        with services.database.read() as session:
            dataset = services.datasets.dataset(session, dataset_name)
            taken = services.snapshots.take(session, dataset, Plan(**body.model_dump()))
        with services.database.write() as transaction:
            row, new = services.snapshots.store(transaction, dataset, taken)
            snapshot = services.snapshots.as_snapshot(transaction.session, row)
    response.status_code = 201 if new else 200
    if new:
        response.headers["Location"] = f"/v1/snapshots/{row.sha256}"
    return snapshot


@handlers("getSnapshot")
def get_snapshot(services: ServicesDep, sha256: Sha256) -> Snapshot:
    """And what depends on it."""
    with services.database.read() as session:
        return services.snapshots.as_snapshot(session, services.snapshots.snapshot(session, sha256))


@handlers("getSnapshotContent")
def get_snapshot_content(
    services: ServicesDep,
    sha256: Sha256,
    range_: RangeHeader = None,
    if_none_match: IfNoneMatch = None,
    if_match: IfMatch = None,
    if_range: str | None = Header(default=None, include_in_schema=False),
) -> Response:
    """The file."""
    with services.database.read() as session:
        path = services.snapshots.file(session, sha256)
    return content(
        path,
        sha256,
        filename=f"{sha256[:12]}.snapshot",
        range_=range_,
        if_none_match=if_none_match,
        if_match=if_match,
        if_range=if_range,
    )
