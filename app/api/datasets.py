"""Datasets: what they hold, what it is like, and how long it is kept."""

from fastapi import Query, Response

from app.api.dependencies import Cursor, DatasetName, IdempotencyKey, Limit, ServicesDep
from app.contract.binding import Handlers
from app.contract.models import Dataset, DatasetPage, DatasetRequest, DatasetRetention, DatasetStatistics

handlers = Handlers()

# An SVG is a document that could hold scripts; this one has none, and would not run any.
_PICTURE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@handlers("listDatasets")
def list_datasets(services: ServicesDep, cursor: Cursor = None, limit: Limit = 50) -> DatasetPage:
    """Datasets by name."""
    with services.database.read() as session:
        page = services.datasets.listing(session, cursor, limit)
        items = [services.datasets.as_dataset(session, row) for row in page.items]
    return DatasetPage(items=items, next_cursor=page.next_cursor)


@handlers("createDataset")
def create_dataset(
    services: ServicesDep,
    body: DatasetRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - KeyedRoute acts on it; here it is validated
) -> Dataset:
    """An empty one."""
    with services.database.write() as transaction:
        row = services.datasets.create(transaction, body)
        response.headers["Location"] = f"/v1/datasets/{row.name}"
        return services.datasets.as_dataset(transaction.session, row)


@handlers("getDataset")
def get_dataset(services: ServicesDep, dataset_name: DatasetName) -> Dataset:
    """One dataset."""
    with services.database.read() as session:
        return services.datasets.as_dataset(session, services.datasets.dataset(session, dataset_name))


@handlers("deleteDataset")
def delete_dataset(services: ServicesDep, dataset_name: DatasetName, *, purge: bool = Query(default=False)) -> None:
    """With everything in it that nothing depends on."""
    with services.dataset_files.held(), services.database.write() as transaction:
        services.datasets.delete(transaction, dataset_name, purge=purge)


@handlers("setDatasetRetention")
def set_dataset_retention(services: ServicesDep, dataset_name: DatasetName, body: DatasetRetention) -> Dataset:
    """For how many days samples are kept."""
    with services.database.write() as transaction:
        row = services.datasets.retain(transaction, dataset_name, body.retain_days)
        return services.datasets.as_dataset(transaction.session, row)


@handlers("getDatasetStatistics")
def get_dataset_statistics(services: ServicesDep, dataset_name: DatasetName) -> DatasetStatistics:
    """Of each column, sensor or colour channel."""
    with services.dataset_files.held(), services.database.read() as session:
        return services.datasets.statistics(session, dataset_name)


@handlers("getDatasetPicture")
def get_dataset_picture(services: ServicesDep, dataset_name: DatasetName) -> Response:
    """An SVG."""
    with services.dataset_files.held(), services.database.read() as session:
        drawn = services.datasets.picture(session, dataset_name)
    return Response(drawn, media_type="image/svg+xml", headers=_PICTURE_HEADERS)
