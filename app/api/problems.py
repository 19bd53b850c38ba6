"""Turns every failure into an RFC 9457 problem: the error tree, FastAPI's own errors, and what nobody foresaw."""

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.contract.models import Error, Problem
from app.errors import AppError, Unauthorised, translate
from app.storage.pages import BadCursor
from builders.errors import BuilderError
from zoo.errors import ZooError

MEDIA_TYPE = "application/problem+json"
_log = structlog.get_logger(__name__)


def problem(
    status: int,
    slug: str,
    detail: str,
    remedy: str,
    *,
    title: str | None = None,
    field: str | None = None,
    errors: list[Error] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """A problem as a response."""
    body = Problem(
        type=f"tag:tinymlaas,2026:problem/{slug}",
        title=title or HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        slug=slug,
        remedy=remedy,
        field=field,
        errors=errors,
    )
    return JSONResponse(body.model_dump(exclude_none=True), status, media_type=MEDIA_TYPE, headers=headers)


def of_error(error: AppError) -> JSONResponse:
    """The problem of an error of the tree."""
    # RFC 9110, 15.5.2: a 401 says how to do better.
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthorised) else None
    return problem(
        error.status, error.slug, error.detail, error.remedy, title=error.title, field=error.field, headers=headers
    )


def install(app: FastAPI) -> None:
    """Answer every exception with a problem."""

    @app.exception_handler(AppError)
    async def app_error(_request: Request, error: AppError) -> JSONResponse:
        return of_error(error)

    @app.exception_handler(ZooError)
    @app.exception_handler(BuilderError)
    async def capability_error(_request: Request, error: ZooError | BuilderError) -> JSONResponse:
        return of_error(translate(error))

    @app.exception_handler(ClientDisconnect)
    async def client_gone(_request: Request, _error: ClientDisconnect) -> JSONResponse:
        # Nobody reads it, and the access line has its status: an upload that broke off is no fault of the server.
        return problem(400, "body_cut_off", "The body ended before it was whole.", "Send it again.", field="body")

    @app.exception_handler(BadCursor)
    async def bad_cursor(_request: Request, _error: BadCursor) -> JSONResponse:
        return problem(
            422, "bad_cursor", "The cursor was not made by this server.", "Begin without one.", field="query.cursor"
        )

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [Error(field=_field(item["loc"]), detail=str(item["msg"])) for item in error.errors()[:20]]
        if any(item["type"] == "json_invalid" for item in error.errors()):
            return problem(400, "bad_json", "The body is not JSON.", "Send JSON in UTF-8.", field="body", errors=errors)
        first = errors[0]
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if first.field == "body" and media_type and "json" not in media_type:
            return problem(
                422,
                "invalid",
                f"The body came as {media_type}.",
                "Send JSON, with the header Content-Type: application/json.",
                field="body",
                errors=errors,
            )
        return problem(
            422,
            "invalid",
            f"{first.field}: {first.detail}",
            "Correct the fields named in `errors`; /docs shows what each takes.",
            field=first.field,
            errors=errors,
        )

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 400:  # FastAPI and Starlette say it of bodies alone
            return _unreadable(request, error)
        remedy = {
            404: "See /docs for the paths that exist.",
            405: "The Allow header names the methods that this path takes.",
        }.get(error.status_code, "See /docs.")
        slug = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        headers = dict(error.headers) if error.headers else None
        detail = f"{request.method} {request.url.path}: {error.detail}"
        return problem(error.status_code, slug, detail, remedy, headers=headers)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        _log.error("unforeseen error", method=request.method, path=request.url.path, exc_info=error)
        return problem(
            500,
            "internal",
            "The server failed in a way that it did not foresee.",
            "Look for this request's X-Request-Id in the server's log, and report it.",
        )


def _unreadable(request: Request, error: HTTPException) -> JSONResponse:
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return problem(
            400, "bad_request", f"The form cannot be read: {error.detail}", "curl -F file=@samples.csv", field="body"
        )
    return problem(
        400,
        "bad_json",
        "The body is JSON that nests too deep, or has a number of thousands of digits.",
        "Send JSON in UTF-8, as /docs shows it.",
        field="body",
    )


def _field(location: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in location)
