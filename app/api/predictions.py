"""Prediction: numbers as JSON, or pictures as files."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from app.api.dependencies import ModelName, ServicesDep, Version
from app.contract.binding import Handlers
from app.contract.models import Prediction, PredictionRequest
from app.errors import BadRequest, Invalid, TooLarge, UnsupportedMedia
from app.services.container import Services
from zoo.predict import MAX_INSTANCES

handlers = Handlers()

MAX_JSON_BYTES = 4 * 1024 * 1024
"""Parsing takes the interpreter alone, in a thread too: some 15 ms for each MiB in which nobody else is answered."""
_PICTURES = ("image/png", "image/jpeg")


async def given(request: Request) -> PredictionRequest | list[bytes]:
    """Instances, or the files of pictures."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json":
        return _instances(await request.body())
    if media_type in _PICTURES:
        return [await request.body()]
    if media_type == "multipart/form-data":
        return await _form(request)
    raise UnsupportedMedia(
        "unsupported_media_type",
        f"The body is {media_type or 'of no declared type'}.",
        'Send {"instances": [...]} as application/json, a picture as image/png or image/jpeg, or several in a form.',
        "header.Content-Type",
    )


def _instances(body: bytes) -> PredictionRequest:
    if len(body) > MAX_JSON_BYTES:
        raise TooLarge(
            "instances_too_large",
            f"The instances have {len(body)} bytes as JSON; {MAX_JSON_BYTES} are taken at a time.",
            "Send fewer in a request, or with fewer digits; pictures go as files.",
            "body.instances",
        )
    try:
        return PredictionRequest.model_validate_json(body)
    except ValidationError as error:
        errors = [{**item, "loc": ("body", *item["loc"])} for item in error.errors(include_url=False)]
        raise RequestValidationError(errors) from error


async def _form(request: Request) -> list[bytes]:
    async with request.form(max_files=MAX_INSTANCES, max_fields=0) as form:
        parts = [part for _, part in form.multi_items()]
        found = [await part.read() for part in parts if isinstance(part, UploadFile)]
    if len(found) != len(parts):
        raise BadRequest("no_file", "A part of the form is no file.", "curl -F picture=@three.png", "body")
    if not found:
        raise Invalid("empty_body", "The form has no picture.", "curl -F picture=@three.png", "body.picture")
    return found


Given = Annotated[PredictionRequest | list[bytes], Depends(given)]


@handlers("predict")
def predict(services: ServicesDep, model_name: ModelName, body: Given) -> Prediction:
    """Run the active version."""
    return _predict(services, model_name, None, body)


@handlers("predictVersion")
def predict_version(services: ServicesDep, model_name: ModelName, version: Version, body: Given) -> Prediction:
    """Run this version."""
    return _predict(services, model_name, version, body)


def _predict(
    services: Services, model_name: str, version: int | None, body: PredictionRequest | list[bytes]
) -> Prediction:
    if isinstance(body, PredictionRequest):
        return Prediction(prediction=services.predictions.of_instances(model_name, version, body.instances))
    return Prediction(prediction=services.predictions.of_pictures(model_name, version, body))
