"""The one error tree of the server; every error knows its HTTP status, its slug and what to do next.

    AppError                       500  internal
    ├── NotFound                   404  <thing>_not_found
    ├── BadRequest                 400  bad_request, ...
    ├── Invalid                    422  invalid, model_*, builder_*, ...
    ├── Conflict                   409  conflict, ...
    ├── PreconditionFailed         412  etag_mismatch
    ├── TooLarge                   413  body_too_large, model_too_large
    ├── UnsupportedMedia           415  unsupported_media_type
    ├── RangeNotSatisfiable        416  range_not_satisfiable
    └── Unavailable                503  docker_unavailable, ...

The capabilities (`zoo`, `builders`) raise errors of their own that know no HTTP; `translate` maps them here by code.
"""

from builders.errors import BuilderError
from zoo.errors import ModelError


class AppError(Exception):
    """Something failed in a way that a caller can be told about."""

    status = 500
    title = "Internal error"

    def __init__(self, slug: str, detail: str, remedy: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.slug = slug
        self.detail = detail
        self.remedy = remedy
        self.field = field


class NotFound(AppError):
    """There is no such thing."""

    status = 404
    title = "Not found"


class BadRequest(AppError):
    """The request cannot be read."""

    status = 400
    title = "Bad request"


class Invalid(AppError):
    """The request is understood and refused."""

    status = 422
    title = "Invalid"


class Conflict(AppError):
    """The state of things does not allow it now."""

    status = 409
    title = "Conflict"


class PreconditionFailed(AppError):
    """The caller's ETag is not the resource's."""

    status = 412
    title = "Precondition failed"


class TooLarge(AppError):
    """The body is larger than the limit."""

    status = 413
    title = "Too large"


class UnsupportedMedia(AppError):
    """The content type is not one that the operation takes."""

    status = 415
    title = "Unsupported media type"


class RangeNotSatisfiable(AppError):
    """The range lies outside the resource."""

    status = 416
    title = "Range not satisfiable"


class Unavailable(AppError):
    """Something that this needs does not answer."""

    status = 503
    title = "Unavailable"


_BY_CODE: dict[str, type[AppError]] = {
    "model_too_large": TooLarge,
    "no_such_model": NotFound,
    "docker_unavailable": Unavailable,
}


def translate(error: ModelError | BuilderError) -> AppError:
    """The server's error for a capability's error; unknown codes are refusals (422)."""
    kind = _BY_CODE.get(error.code, Invalid)
    return kind(error.code, str(error), error.remedy, getattr(error, "field", None))
