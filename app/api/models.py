"""The zoo: models, their versions, inspection and prediction."""

import hashlib
from typing import Annotated, Literal

from fastapi import Header, Path, Response

from app.api.content import content
from app.api.dependencies import (
    Cursor,
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    Limit,
    ModelName,
    Octets,
    RangeHeader,
    ServicesDep,
    Version,
)
from app.contract.binding import Handlers
from app.contract.models import (
    Model,
    ModelEvaluation,
    ModelPage,
    ModelVersion,
    ModelVersionPage,
)

ModelFormatName = Literal["keras", "float32", "float16", "dynamic_range", "nntrainer", "trainable"]
EvaluationPicture = Literal["confusion", "calibration", "errors", "drift"]

handlers = Handlers()


@handlers("listModels")
def list_models(services: ServicesDep, cursor: Cursor = None, limit: Limit = 50) -> ModelPage:
    """Models by name."""
    with services.database.read() as session:
        page = services.models.listing(session, cursor, limit)
        items = [services.models.as_model(session, row) for row in page.items]
    return ModelPage(items=items, next_cursor=page.next_cursor)


@handlers("getModel")
def get_model(services: ServicesDep, model_name: ModelName) -> Model:
    """One model."""
    with services.database.read() as session:
        return services.models.as_model(session, services.models.model(session, model_name))


@handlers("listModelVersions")
def list_model_versions(
    services: ServicesDep, model_name: ModelName, cursor: Cursor = None, limit: Limit = 50
) -> ModelVersionPage:
    """Versions, newest first."""
    with services.database.read() as session:
        page = services.models.versions(session, model_name, cursor, limit)
        items = [services.models.as_version(session, row) for row in page.items]
    return ModelVersionPage(items=items, next_cursor=page.next_cursor)


@handlers("uploadModelVersion")
def upload_model_version(
    services: ServicesDep,
    model_name: ModelName,
    body: Octets,
    response: Response,
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - KeyedRoute acts on it; here it is validated
) -> ModelVersion:
    """Examine the bytes, then store them as the next version."""
    with services.database.read() as session:
        same = services.models.find_same(session, model_name, hashlib.sha256(body).hexdigest())
        if same is not None:
            response.status_code = 200
            return services.models.as_version(session, same)
    examined = services.models.examine(body)
    with services.database.write() as transaction:
        row, new = services.models.store(transaction, model_name, examined)
        transaction.session.flush()
        version = services.models.as_version(transaction.session, row)
    response.status_code = 201 if new else 200
    if new:
        response.headers["Location"] = f"/v1/models/{model_name}/versions/{version.version}"
    return version


@handlers("getModelVersion")
def get_model_version(services: ServicesDep, model_name: ModelName, version: Version) -> ModelVersion:
    """One version."""
    with services.database.read() as session:
        return services.models.as_version(session, services.models.version(session, model_name, version))


@handlers("getModelContent")
def get_model_content(
    services: ServicesDep,
    model_name: ModelName,
    version: Version,
    range_: RangeHeader = None,
    if_none_match: IfNoneMatch = None,
    if_match: IfMatch = None,
    if_range: str | None = Header(default=None, include_in_schema=False),
) -> Response:
    """The .tflite itself."""
    with services.database.read() as session:
        row = services.models.version(session, model_name, version)
    return content(
        services.blobs.path(row.sha256),
        row.sha256,
        filename=f"{model_name}-{version}.tflite",
        range_=range_,
        if_none_match=if_none_match,
        if_match=if_match,
        if_range=if_range,
    )


@handlers("getModelFormat")
def get_model_format(
    services: ServicesDep,
    model_name: ModelName,
    version: Version,
    format_: Annotated[ModelFormatName, Path(alias="format")],
    range_: RangeHeader = None,
    if_none_match: IfNoneMatch = None,
    if_match: IfMatch = None,
    if_range: str | None = Header(default=None, include_in_schema=False),
) -> Response:
    """Another form of the version."""
    with services.database.read() as session:
        sha256 = services.models.format(session, model_name, version, format_)
    ending = {"keras": "keras", "nntrainer": "bin"}.get(format_, f"{format_}.tflite")
    return content(
        services.blobs.path(sha256),
        sha256,
        filename=f"{model_name}-{version}.{ending}",
        range_=range_,
        if_none_match=if_none_match,
        if_match=if_match,
        if_range=if_range,
    )


@handlers("getModelEvaluation")
def get_model_evaluation(services: ServicesDep, model_name: ModelName, version: Version) -> ModelEvaluation:
    """What it gets right and wrong."""
    with services.database.read() as session:
        return services.models.as_evaluation(session, model_name, version)


@handlers("getModelEvaluationPicture")
def get_model_evaluation_picture(
    services: ServicesDep, model_name: ModelName, version: Version, picture: EvaluationPicture
) -> Response:
    """A picture of it."""
    with services.database.read() as session:
        drawn = services.models.picture(session, model_name, version, picture)
    return Response(drawn, media_type="image/svg+xml")


@handlers("activateModelVersion")
def activate_model_version(services: ServicesDep, model_name: ModelName, version: Version) -> Model:
    """Make it the active one."""
    with services.database.write() as transaction:
        row = services.models.activate(transaction, model_name, version)
        return services.models.as_model(transaction.session, row)
