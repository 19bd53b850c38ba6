"""One artifact to one device, kept only when the device proves it."""

from typing import Annotated, Literal

from fastapi import Query, Response

from app.api.dependencies import Cursor, EndpointQuery, IdempotencyKey, Limit, ServicesDep, UpdateId
from app.contract.binding import Handlers
from app.contract.models import Update, UpdateExplanation, UpdatePage, UpdateRequest
from app.services.update_words import as_update

handlers = Handlers()

UpdateStateQuery = Annotated[
    Literal[
        "pending",
        "downloading",
        "downloaded",
        "updating",
        "verifying",
        "succeeded",
        "failed",
        "rolled-back",
        "cancelled",
    ]
    | None,
    Query(),
]


@handlers("listUpdates")
def list_updates(
    services: ServicesDep,
    cursor: Cursor = None,
    limit: Limit = 50,
    endpoint: EndpointQuery = None,
    state: UpdateStateQuery = None,
) -> UpdatePage:
    """Updates, newest first."""
    with services.database.read() as session:
        page = services.updates.listing(session, cursor, limit, endpoint, state)
    return UpdatePage(items=[as_update(row) for row in page.items], next_cursor=page.next_cursor)


@handlers("createUpdate")
def create_update(
    services: ServicesDep,
    body: UpdateRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - KeyedRoute acts on it; here it is validated
) -> Update:
    """Queue an update."""
    with services.database.write() as transaction:
        update = as_update(services.updates.create(transaction, body))
    response.headers["Location"] = f"/v1/updates/{update.id}"
    return update


@handlers("getUpdate")
def get_update(services: ServicesDep, update_id: UpdateId) -> Update:
    """One update."""
    with services.database.read() as session:
        return as_update(services.updates.update(session, update_id))


@handlers("explainUpdate")
def explain_update(services: ServicesDep, update_id: UpdateId) -> UpdateExplanation:
    """Where it stands, what the device said, what happens next."""
    with services.database.read() as session:
        return services.updates.explain(session, update_id)


@handlers("cancelUpdate")
def cancel_update(services: ServicesDep, update_id: UpdateId, response: Response) -> Update:
    """Ask it to stop before the device installs."""
    response.status_code = 202
    with services.database.write() as transaction:
        return as_update(services.updates.cancel(transaction, update_id))
