"""The pages and their files: served from here alone, under a policy that lets them ask nobody else."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from app.errors import NotFound

_STATIC = Path(__file__).with_name("static")
TENSORFLOW_JS = Path(__file__).with_name("vendor") / "tf.min.js"
"""Fetched by `tools/setup web`; never committed."""

# No inline script and no eval; data of a federation's client cannot leave for any other host.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class _Files(StaticFiles):
    """Static files with the pages' headers."""

    def file_response(self, *given: Any, **named: Any) -> Response:
        """As Starlette makes it, a 304 too."""
        response = super().file_response(*given, **named)
        response.headers.update(_HEADERS)
        return response


def install(app: FastAPI) -> None:
    """Add the pages to the server."""

    @app.api_route("/federate", methods=["GET", "HEAD"], include_in_schema=False)
    def federate() -> FileResponse:
        return FileResponse(_STATIC / "federate.html", headers=_HEADERS)

    @app.api_route("/federations", methods=["GET", "HEAD"], include_in_schema=False)
    def federations() -> FileResponse:
        return FileResponse(_STATIC / "federations.html", headers=_HEADERS)

    @app.api_route("/web/tf.min.js", methods=["GET", "HEAD"], include_in_schema=False)
    def tensorflow_js() -> FileResponse:
        if not TENSORFLOW_JS.exists():
            raise NotFound(
                "tensorflow_js_missing",
                "TensorFlow.js is not set up on this server.",
                "Run tools/setup web on the server, then load the page again.",
            )
        return FileResponse(TENSORFLOW_JS, media_type="text/javascript", headers=_HEADERS)

    app.mount("/web", _Files(directory=_STATIC))
