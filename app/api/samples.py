"""Samples of a dataset, and the uploads that they came in."""

from typing import Annotated

from fastapi import Query, Response

from app.api.dependencies import Cursor, DatasetName, IdempotencyKey, Limit, SampleId, ServicesDep, UploadId
from app.api.uploads import IncomingDep
from app.contract.binding import Handlers
from app.contract.models import DatasetUpload, DatasetUploadPage, SampleDetail, SamplePage

handlers = Handlers()


@handlers("listSamples")
def list_samples(
    services: ServicesDep,
    dataset_name: DatasetName,
    cursor: Cursor = None,
    limit: Limit = 50,
    label: Annotated[str | None, Query(min_length=1, max_length=100)] = None,
) -> SamplePage:
    """Newest first."""
    with services.database.read() as session:
        page = services.samples.listing(session, dataset_name, label, cursor, limit)
        items = [services.samples.as_sample(session, row) for row in page.items]
    return SamplePage(items=items, next_cursor=page.next_cursor)


@handlers("uploadSamples")
def upload_samples(
    services: ServicesDep,
    dataset_name: DatasetName,
    incoming: IncomingDep,
    response: Response,
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - KeyedRoute acts on it; here it is validated
) -> DatasetUpload:
    """Parse a file, keep what can be used, and say what cannot."""
    with services.database.read() as session:
        same = services.samples.find_same(session, dataset_name, incoming)
    if same is not None:
        response.status_code = 200
        return services.samples.as_upload(same)
    with services.samples.read(dataset_name, incoming) as batch, services.dataset_files.held():
        stored = services.samples.keep(batch)
        with services.database.write() as transaction:
            row, new = services.samples.store(transaction, dataset_name, stored)
    response.status_code = 201 if new else 200
    return services.samples.as_upload(row)


@handlers("getSample")
def get_sample(services: ServicesDep, dataset_name: DatasetName, sample_id: SampleId) -> SampleDetail:
    """With its values."""
    with services.dataset_files.held(), services.database.read() as session:
        return services.samples.as_detail(session, services.samples.sample(session, dataset_name, sample_id))


@handlers("deleteSample")
def delete_sample(services: ServicesDep, dataset_name: DatasetName, sample_id: SampleId) -> None:
    """And overwrite its values."""
    with services.dataset_files.held(), services.database.write() as transaction:
        services.samples.delete_sample(transaction, dataset_name, sample_id)


@handlers("listDatasetUploads")
def list_dataset_uploads(
    services: ServicesDep, dataset_name: DatasetName, cursor: Cursor = None, limit: Limit = 50
) -> DatasetUploadPage:
    """Newest first."""
    with services.database.read() as session:
        page = services.samples.uploads(session, dataset_name, cursor, limit)
    return DatasetUploadPage(
        items=[services.samples.as_upload(row) for row in page.items], next_cursor=page.next_cursor
    )


@handlers("getRejectedRows")
def get_rejected_rows(services: ServicesDep, dataset_name: DatasetName, upload_id: UploadId) -> Response:
    """JSON lines."""
    with services.dataset_files.held(), services.database.read() as session:
        lines = services.samples.rejected_rows(services.samples.upload(session, dataset_name, upload_id))
    return Response(lines, media_type="application/x-ndjson")
