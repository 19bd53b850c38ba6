"""Federations: for operators, and for the clients that train."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Literal

from fastapi import Depends, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from app.api.content import content
from app.api.dependencies import (
    Cursor,
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    Limit,
    RangeHeader,
    ServicesDep,
)
from app.contract.binding import Handlers
from app.contract.models import (
    EnrolledFederationClient,
    Federation,
    FederationAssignment,
    FederationClient,
    FederationClientPage,
    FederationClientRequest,
    FederationPage,
    FederationRequest,
    FederationRound,
    FederationRoundPage,
    FederationUpdateAccepted,
)
from app.domain.federation import Action
from app.errors import Unauthorised, Unavailable, UnsupportedMedia
from app.services.federation_views import as_client, as_federation, as_picture, as_rounds
from zoo.federated.documents import MEDIA_TYPE, Form

handlers = Handlers()

FederationId = Annotated[str, Path(pattern="^fed_[0-9a-f]{16}$")]
ClientIdPath = Annotated[str, Path(alias="client_id", pattern="^cli_[0-9a-f]{16}$")]
RoundNumber = Annotated[int, Path(alias="round", ge=1, le=2147483647)]
StateQuery = Annotated[
    Literal["preparing", "enrolling", "running", "finishing", "finished", "failed", "cancelled"] | None, Query()
]


PIECE_SECONDS = 20.0
"""A sender that says nothing for so long gives its place to others."""
UPDATE_SECONDS = 300.0
"""As long as an update may take to come in."""


class _InFlight:
    """Bytes of the updates that are being read at the same time; used in the event loop alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of = Counter[str]()

    @contextmanager
    def counted(self, client: str, most: int) -> Iterator[Callable[[int], None]]:
        """A function that counts bytes of one update; Unavailable when there are too many of all.

        One client has no more than `most` in flight, however often it sends: nobody takes the place of everybody.
        """
        mine = 0

        def grow(count: int) -> None:
            nonlocal mine
            if self._of[client] + count > most and self._of[client] > mine:
                raise Unavailable(
                    "update_in_flight",
                    "Another request of this client is sending its update.",
                    "Let it end, or send it again in some seconds.",
                )
            if self._of.total() + count > self._most:
                raise Unavailable(
                    "too_many_updates",
                    "More updates are being sent at this moment than the server keeps in memory.",
                    "Send it again in some seconds.",
                )
            self._of[client] += count
            mine += count

        try:
            yield grow
        finally:
            self._of[client] -= mine
            self._of += Counter()  # forgets who has nothing in flight


_in_flight = _InFlight(64 * 1024 * 1024)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """What is sent, as long as something comes."""
    loop = asyncio.get_running_loop()
    until = loop.time() + UPDATE_SECONDS
    pieces = request.stream()
    while True:
        try:
            async with asyncio.timeout_at(min(until, loop.time() + PIECE_SECONDS)):
                piece = await anext(pieces, None)
        except TimeoutError:
            raise Unavailable(
                "update_stalled",
                f"Nothing came for {PIECE_SECONDS:g} seconds, or not all of it in {UPDATE_SECONDS:g}.",
                "Send the update again, without a pause.",
            ) from None
        if piece is None:
            return
        yield piece


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorised(
            "token_missing",
            "This operation is for a client of the federation, and the request has no token.",
            "Send the token that the client got when it was enrolled: Authorization: Bearer TOKEN.",
            "header.Authorization",
        )
    return token.strip()


Token = Annotated[str, Depends(_token)]


@handlers("listFederations")
def list_federations(
    services: ServicesDep, cursor: Cursor = None, limit: Limit = 50, state: StateQuery = None
) -> FederationPage:
    """Newest first."""
    with services.database.read() as session:
        page = services.federations.listing(session, cursor, limit, state)
        items = [as_federation(session, row) for row in page.items]
    return FederationPage(items=items, next_cursor=page.next_cursor)


@handlers("createFederation")
def create_federation(
    services: ServicesDep,
    body: FederationRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - KeyedRoute acts on it; here it is validated
) -> Federation:
    """Begin one."""
    with services.database.write() as transaction:
        row = services.federations.create(transaction, body)
        made = as_federation(transaction.session, row)
    response.headers["Location"] = f"/v1/federations/{made.id}"
    return made


@handlers("getFederation")
def get_federation(services: ServicesDep, federation_id: FederationId) -> Federation:
    """One federation."""
    with services.database.read() as session:
        return as_federation(session, services.federations.federation(session, federation_id))


@handlers("startFederation")
def start_federation(services: ServicesDep, federation_id: FederationId) -> Federation:
    """Begin the rounds."""
    with services.database.write() as transaction:
        row = services.federations.start(transaction, federation_id)
        return as_federation(transaction.session, row)


@handlers("cancelFederation")
def cancel_federation(services: ServicesDep, federation_id: FederationId) -> Federation:
    """End it without a result."""
    with services.database.write() as transaction:
        row = services.federations.cancel(transaction, federation_id)
        return as_federation(transaction.session, row)


@handlers("getFederationPicture")
def get_federation_picture(services: ServicesDep, federation_id: FederationId) -> Response:
    """The score after each round."""
    with services.database.read() as session:
        drawn = as_picture(session, services.federations.federation(session, federation_id))
    return Response(drawn, media_type="image/svg+xml")


@handlers("listFederationClients")
def list_clients(
    services: ServicesDep, federation_id: FederationId, cursor: Cursor = None, limit: Limit = 50
) -> FederationClientPage:
    """In the order of enrolment."""
    with services.database.read() as session:
        page = services.federations.clients(session, federation_id, cursor, limit)
    items: list[FederationClient] = [as_client(row) for row in page.items]
    return FederationClientPage(items=items, next_cursor=page.next_cursor)


@handlers("enrolFederationClient")
def enrol_client(
    services: ServicesDep, federation_id: FederationId, body: FederationClientRequest, response: Response
) -> EnrolledFederationClient:
    """With a token, or a board."""
    with services.database.write() as transaction:
        enrolled = services.federations.enrol(transaction, federation_id, body)
    response.headers["Location"] = f"/v1/federations/{federation_id}/clients/{enrolled.id}"
    response.headers["Cache-Control"] = "no-store"
    return enrolled


@handlers("removeFederationClient")
def remove_client(services: ServicesDep, federation_id: FederationId, client_id: ClientIdPath) -> None:
    """Void its token."""
    with services.database.write() as transaction:
        services.federations.remove_client(transaction, federation_id, client_id)


@handlers("getFederationTrainable")
def get_trainable(
    services: ServicesDep,
    federation_id: FederationId,
    token: Token,
    range_: RangeHeader = None,
    if_none_match: IfNoneMatch = None,
    if_match: IfMatch = None,
) -> Response:
    """The .tflite that clients train."""
    sha256 = services.intake.trainable(federation_id, token)
    response = content(
        services.blobs.path(sha256),
        sha256,
        filename=f"{federation_id}.tflite",
        range_=range_,
        if_none_match=if_none_match,
        if_match=if_match,
    )
    response.headers["Cache-Control"] = "private, max-age=31536000, immutable"  # a shared cache would ask for no token
    return response


@handlers("getFederationAssignment")
async def get_assignment(
    services: ServicesDep,
    federation_id: FederationId,
    token: Token,
    wait: Annotated[float, Query(ge=0, le=30)] = 0,
) -> FederationAssignment:
    """What to do; `wait` is answered late, in case that something else comes."""
    loop = asyncio.get_running_loop()
    until = loop.time() + wait
    with services.federation_bell.listening(federation_id) as heard:
        while True:
            heard.clear()
            assignment = await run_in_threadpool(services.intake.assignment, federation_id, token)
            left = until - loop.time()
            if assignment.action is not Action.WAIT or left <= 0:
                return FederationAssignment.model_validate(assignment.document())
            with suppress(TimeoutError):
                await asyncio.wait_for(heard.wait(), left)


@handlers("listFederationRounds")
def list_rounds(
    services: ServicesDep, federation_id: FederationId, cursor: Cursor = None, limit: Limit = 50
) -> FederationRoundPage:
    """Newest first."""
    with services.database.read() as session:
        page = services.federations.rounds(session, federation_id, cursor, limit)
        items = as_rounds(session, federation_id, page.items)
    return FederationRoundPage(items=items, next_cursor=page.next_cursor)


@handlers("getFederationRound")
def get_round(services: ServicesDep, federation_id: FederationId, number: RoundNumber) -> FederationRound:
    """One round, with its updates."""
    with services.database.read() as session:
        [found] = as_rounds(session, federation_id, [services.federations.round(session, federation_id, number)])
    return found


@handlers("getFederationModel")
def get_model(
    services: ServicesDep,
    federation_id: FederationId,
    number: RoundNumber,
    token: Token,
    form: Annotated[Form, Query()] = "float32",
) -> Response:
    """The weights that the round starts from."""
    body = services.intake.model(federation_id, token, number, form)
    return Response(body, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


@handlers("submitFederationUpdate")
async def submit_update(
    services: ServicesDep, request: Request, federation_id: FederationId, number: RoundNumber, token: Token
) -> FederationUpdateAccepted:
    """Weights of a client. Who sends is known before a byte of them is read, and no more than can be is read."""
    most = await run_in_threadpool(services.intake.most_bytes, federation_id, token)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != MEDIA_TYPE:
        raise UnsupportedMedia(
            "unsupported_media_type",
            f"The body is {media_type or 'of no declared type'}; an update is {MEDIA_TYPE}.",
            "Send the update as CBOR; docs/reference/federation-protocol.md shows one.",
            "header.Content-Type",
        )
    with _in_flight.counted(token, most) as grow:
        body = bytearray()
        async for piece in _pieces(request):
            grow(len(piece))
            body += piece
            if len(body) > most:
                await run_in_threadpool(services.intake.refuse_too_large, federation_id, token, number, len(body))
        accepted = await run_in_threadpool(services.intake.submit, federation_id, token, number, bytes(body))
    return FederationUpdateAccepted(accepted=True, samples=accepted.samples)
