"""A model version compiled by a builder into firmware for a board."""

from typing import Annotated, Literal

from fastapi import Query, Response
from fastapi.responses import PlainTextResponse

from app.api.dependencies import BuildId, Cursor, IdempotencyKey, Limit, ModelQuery, ServicesDep
from app.contract.binding import Handlers
from app.contract.models import Build, BuildEstimate, BuildPage, BuildRequest, EstimateRequest
from app.services.builds import as_build

handlers = Handlers()

BuildStateQuery = Annotated[Literal["queued", "running", "succeeded", "failed", "cancelled"] | None, Query()]


@handlers("listBuilds")
def list_builds(
    services: ServicesDep,
    cursor: Cursor = None,
    limit: Limit = 50,
    state: BuildStateQuery = None,
    model: ModelQuery = None,
) -> BuildPage:
    """Builds, newest first."""
    with services.database.read() as session:
        page = services.builds.listing(session, cursor, limit, state, model)
    return BuildPage(items=[as_build(row) for row in page.items], next_cursor=page.next_cursor)


@handlers("createBuild")
def create_build(
    services: ServicesDep,
    body: BuildRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - KeyedRoute acts on it; here it is validated
) -> Build:
    """Queue a build, or answer with the one of the same key."""
    with services.database.write() as transaction:
        row, _ = services.builds.create(transaction, body)
        build = as_build(row)
    response.status_code = 200 if build.state == "succeeded" else 202
    response.headers["Location"] = f"/v1/builds/{build.id}"
    return build


@handlers("estimateBuild")
def estimate_build(
    services: ServicesDep,
    body: EstimateRequest,
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - KeyedRoute acts on it; here it is validated
) -> BuildEstimate:
    """Ask the builder what a build would give."""
    return services.estimates.estimate(body)


@handlers("getBuild")
def get_build(services: ServicesDep, build_id: BuildId) -> Build:
    """One build."""
    with services.database.read() as session:
        return as_build(services.builds.build(session, build_id))


@handlers("getBuildLog")
def get_build_log(
    services: ServicesDep, build_id: BuildId, offset: Annotated[int, Query(ge=0, le=1073741824)] = 0
) -> Response:
    """The log from a byte offset on."""
    data, next_offset = services.builds.log(build_id, offset)
    return PlainTextResponse(data, headers={"Next-Offset": str(next_offset)})


@handlers("cancelBuild")
def cancel_build(services: ServicesDep, build_id: BuildId) -> Build:
    """Ask it to stop."""
    with services.database.write() as transaction:
        return as_build(services.builds.cancel(transaction, build_id))
