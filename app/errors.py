"""The one error tree of the server; every error knows its HTTP status, its slug and what to do next.

    AppError                       500  internal
    ├── NotFound                   404  <thing>_not_found
    ├── BadRequest                 400  bad_request, ...
    ├── Unauthorised               401  token_missing, token_invalid
    ├── Forbidden                  403  not_selected
    ├── Invalid                    422  invalid, model_*, builder_*, upload_*, ...
    ├── Conflict                   409  conflict, ...
    ├── PreconditionFailed         412  etag_mismatch
    ├── TooLarge                   413  body_too_large, model_too_large, upload_too_large, update_too_large
    ├── UnsupportedMedia           415  unsupported_media_type
    ├── RangeNotSatisfiable        416  range_not_satisfiable
    ├── Unavailable                503  docker_unavailable, ...
    └── Upstream             502 or 504  device_refused, device-timeout, ...: a device is at fault

The capabilities (`zoo`, `builders`) raise errors of their own that know no HTTP; `translate` maps them here by code.
"""

from builders.errors import BuilderError, BuildRefusedError
from lwm2m.errors import Lwm2mError, NotRegistered
from zoo.errors import ZooError
from zoo.federated.errors import Refusal
from zoo.training.errors import RecipeError


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


class Unauthorised(AppError):
    """Who asks is not known."""

    status = 401
    title = "Unauthorised"


class Forbidden(AppError):
    """Who asks is known, and may not."""

    status = 403
    title = "Forbidden"


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


class Upstream(AppError):
    """A device answered with an error, or not at all; the status is one of 502 and 504."""

    title = "Device failed"

    def __init__(self, status: int, slug: str, detail: str, remedy: str, field: str | None = None) -> None:
        super().__init__(slug, detail, remedy, field)
        self.status = status


def of_device(error: Lwm2mError) -> AppError:
    """The server's error for one of the LwM2M package; the docstring of an error's class says what to do next."""
    remedy = (type(error).__doc__ or "").strip().partition(": ")[2] or "GET /v1/devices/{endpoint} shows the device."
    if isinstance(error, NotRegistered):
        return Conflict("device_offline", str(error), "Wait until it registers; GET /v1/devices shows it.", "endpoint")
    if error.status in {502, 504}:
        return Upstream(error.status, error.slug.replace("-", "_"), str(error), remedy[:1].upper() + remedy[1:])
    return Invalid(error.slug.replace("-", "_"), str(error), remedy[:1].upper() + remedy[1:])


_BY_CODE: dict[str, type[AppError]] = {
    "model_too_large": TooLarge,
    "upload_too_large": TooLarge,
    "no_such_model": NotFound,
    "docker_unavailable": Unavailable,
    Refusal.NOT_SELECTED: Forbidden,
    Refusal.TOO_LARGE: TooLarge,
    Refusal.STALE_ROUND: Conflict,
    Refusal.NOT_OPEN: Conflict,
    Refusal.WRONG_BASE: Conflict,
    Refusal.DUPLICATE: Conflict,
}


def translate(error: ZooError | BuilderError) -> AppError:
    """The server's error for a capability's error; unknown codes are refusals (422)."""
    if isinstance(error, BuildRefusedError):
        return Invalid(error.reason, str(error), error.remedy)
    kind = _BY_CODE.get(error.code, Invalid)
    field = error.field
    if isinstance(error, RecipeError):
        field = f"body.recipe.{field}" if field else "body.recipe"
    return kind(error.code, str(error), error.remedy, field)
