"""Partners' container images, pinned by digest."""

from fastapi import Response

from app.api.dependencies import BuilderId, CheckId, Cursor, IdempotencyKey, Limit, ServicesDep
from app.contract.binding import Handlers
from app.contract.models import Builder, BuilderCheck, BuilderPage, BuilderRegistration
from app.services.builders import as_builder, as_check

handlers = Handlers()


@handlers("listBuilders")
def list_builders(services: ServicesDep, cursor: Cursor = None, limit: Limit = 50) -> BuilderPage:
    """Builders, newest first."""
    with services.database.read() as session:
        page = services.builders.listing(session, cursor, limit)
        items = [as_builder(session, row) for row in page.items]
    return BuilderPage(items=items, next_cursor=page.next_cursor)


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
        builder = as_builder(transaction.session, row)
    response.status_code = 201 if new else 200
    if new:
        response.headers["Location"] = f"/v1/builders/{builder.id}"
    return builder


@handlers("getBuilder")
def get_builder(services: ServicesDep, builder_id: BuilderId) -> Builder:
    """One builder."""
    with services.database.read() as session:
        return as_builder(session, services.builders.builder(session, builder_id))


@handlers("checkBuilder")
def check_builder(
    services: ServicesDep,
    builder_id: BuilderId,
    response: Response,
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - KeyedRoute acts on it; here it is validated
) -> BuilderCheck:
    """Queue a check, or answer with the one that is being made."""
    with services.database.write() as transaction:
        check = as_check(services.checks.create(transaction, builder_id))
    response.status_code = 202
    response.headers["Location"] = f"/v1/builders/{builder_id}/checks/{check.id}"
    return check


@handlers("getBuilderCheck")
def get_builder_check(services: ServicesDep, builder_id: BuilderId, check_id: CheckId) -> BuilderCheck:
    """One check."""
    with services.database.read() as session:
        return as_check(services.checks.check(session, builder_id, check_id))
