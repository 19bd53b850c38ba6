"""Everything that happens, as it happens: server-sent events that a client can resume."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from app.api.dependencies import ServicesDep
from app.contract.binding import Handlers
from app.services.container import Services

handlers = Handlers()

POLL_SECONDS = 0.25
HEARTBEAT_SECONDS = 15.0
SUBJECT = (
    "^(build|update|device|model|builder|dataset|training-job|federation"
    "|offload-session|offload-model|drift-monitor)/.+$"
)


@handlers("streamEvents")
async def stream_events(
    services: ServicesDep,
    request: Request,
    subject: Annotated[str | None, Query(max_length=300, pattern=SUBJECT)] = None,
    until: Annotated[Literal["now"] | None, Query()] = None,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", pattern="^[0-9]{1,18}$")] = None,
) -> StreamingResponse:
    """Events from `Last-Event-ID` on, or from now on."""
    newest = await run_in_threadpool(services.events.newest_id)
    # An id that is yet to come is of another data folder: who waited for it would hear nothing until then.
    begin = newest if last_event_id is None else min(int(last_event_id), newest)
    stop = newest if until == "now" else None
    return StreamingResponse(
        _stream(services, request, begin, stop, subject),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(
    services: Services, request: Request, last: int, stop: int | None, subject: str | None
) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    silence = 0.0
    while not services.stopping.is_set():
        events = await run_in_threadpool(services.events.after, last, subject)
        for event in events:
            if stop is not None and event.id > stop:
                return
            last = event.id
            data = json.dumps(event.model_dump(mode="json"), separators=(",", ":"))
            yield f"id: {event.id}\nevent: {event.type}\ndata: {data}\n\n"
        if events:
            silence = 0.0
            continue
        if stop is not None or await request.is_disconnected():
            return
        await asyncio.sleep(POLL_SECONDS)
        silence += POLL_SECONDS
        if silence >= HEARTBEAT_SECONDS:
            yield ": still here\n\n"
            silence = 0.0
