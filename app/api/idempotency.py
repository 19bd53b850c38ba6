"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the same key and body get the first answer again."""

import hashlib
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from app.api.problems import problem
from app.storage import idempotency
from app.storage.database import Database

KEPT_FOR = timedelta(hours=24)


class KeyedRoute(APIRoute):
    """A route whose operation takes an Idempotency-Key."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, with the key looked up before and the answer kept after."""
        handle = super().get_route_handler()

        async def keyed(request: Request) -> Response:
            key = request.headers.get("Idempotency-Key")
            if not key or len(key) > 128:  # FastAPI's own validation refuses the wrong ones
                return await handle(request)
            database: Database = request.app.state.services.database
            boot: str = request.app.state.services.boot
            digest = hashlib.sha256(f"{request.method} {request.url.path}?{request.url.query}\n".encode())
            digest.update(await request.body())
            fingerprint = digest.hexdigest()
            claim = await run_in_threadpool(idempotency.claim, database, key, fingerprint, boot, KEPT_FOR)
            if claim.outcome == "replay":
                headers = {"Location": claim.location} if claim.location else {}
                return Response(
                    claim.body, claim.status, {**headers, "Idempotent-Replayed": "true"}, "application/json"
                )
            if claim.outcome == "other_body":
                return problem(
                    422,
                    "idempotency_key_reused",
                    "This Idempotency-Key came with another request before.",
                    "Take a new key for a new request.",
                    field="header.Idempotency-Key",
                )
            if claim.outcome == "in_progress":
                return problem(
                    409,
                    "idempotency_key_in_progress",
                    "The first request with this Idempotency-Key is still being worked on.",
                    "Repeat it in a second.",
                    field="header.Idempotency-Key",
                )
            try:
                response = await handle(request)
            except BaseException:
                await run_in_threadpool(idempotency.release, database, key)
                raise
            body, location = bytes(response.body).decode(), response.headers.get("Location")
            await run_in_threadpool(idempotency.keep, database, key, response.status_code, body, location)
            return response

        return keyed
