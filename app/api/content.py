"""Content-addressed bytes over HTTP (RFC 9110): ETag, HEAD, one Range, 304 and 412, so that downloads can resume."""

import re
from pathlib import Path

from fastapi import Response
from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send

from app.errors import PreconditionFailed, RangeNotSatisfiable

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class _WholeFile(FileResponse):
    """A file whatever Range says: what is ignored here, Starlette refuses in plain text or answers in parts."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)


def content(
    path: Path,
    sha256: str,
    *,
    filename: str,
    range_: str | None,
    if_none_match: str | None,
    if_match: str | None,
    if_range: str | None = None,
    head: bool = False,
) -> Response:
    """The file, a part of it, or the reason for neither."""
    etag = f'"sha256-{sha256}"'
    size = path.stat().st_size
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "public, max-age=31536000, immutable",
        "Content-Disposition": f'attachment; filename="{filename}"',
    }
    if if_match is not None and not _matches(if_match, etag):
        raise PreconditionFailed(
            "etag_mismatch",
            f"The content's ETag is {etag}.",
            "Begin the download anew without If-Match.",
            "header.If-Match",
        )
    if if_none_match is not None and _matches(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    wanted = None if range_ is None or (if_range is not None and if_range != etag) else _span(range_, size)
    begin, end = wanted or (0, size)
    if wanted is not None:
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
    status = 206 if wanted else 200
    if head:
        headers["Content-Length"] = str(end - begin)
        return Response(status_code=status, headers=headers, media_type="application/octet-stream")
    if wanted is None:
        return _WholeFile(path, headers=headers, media_type="application/octet-stream")
    with path.open("rb") as file:
        file.seek(begin)
        return Response(file.read(end - begin), status, headers, "application/octet-stream")


def _matches(header: str, etag: str) -> bool:
    return header.strip() == "*" or etag in (part.strip().removeprefix("W/") for part in header.split(","))


def _span(header: str, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; None for what a server may ignore (other units, several ranges)."""
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first == "":
        begin, end = max(0, size - int(last)), size
        satisfiable = int(last) > 0
    else:
        begin, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < begin:
            return None
        satisfiable = begin < size
    if not satisfiable:
        raise RangeNotSatisfiable(
            "range_not_satisfiable", f"The content has {size} bytes.", "Ask for bytes within it.", "header.Range"
        )
    return begin, end
