"""Partners' container images, pinned by digest."""

from fastapi import Response

from app.api.dependencies import BuilderId, Cursor, IdempotencyKey, Limit, ServicesDep
from app.contract.binding import Handlers
from app.contract.models import Builder, BuilderPage, BuilderRegistration
from app.services.builders import as_builder

handlers = Handlers()


@handlers("listBuilders")
def list_builders(services: ServicesDep, cursor: Cursor = None, limit: Limit = 50) -> BuilderPage:
    """Builders, newest first."""
    with services.database.read() as session:
        page = services.builders.listing(session, cursor, limit)
    return BuilderPage(items=[as_builder(row) for row in page.items], next_cursor=page.next_cursor)


@handlers("registerBuilder")
def register_builder(
    services: ServicesDep,
    body: BuilderRegistration,
    response: Response,
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - KeyedRoute acts on it; here it is validated
) -> Builder:
    """Resolve the image to its digest, read its manifest, keep both."""
    resolved = services.builders.resolve(body.image)
    with services.database.write() as transaction:
        row, new = services.builders.register(transaction, resolved)
        builder = as_builder(row)
    response.status_code = 201 if new else 200
    if new:
        response.headers["Location"] = f"/v1/builders/{builder.id}"
    return builder


@handlers("getBuilder")
def get_builder(services: ServicesDep, builder_id: BuilderId) -> Builder:
    """One builder."""
    with services.database.read() as session:
        return as_builder(services.builders.builder(session, builder_id))
