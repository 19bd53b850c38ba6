"""The body of an upload of samples: one file, or a form with one or two, with what the query and the headers say."""

from typing import Annotated, Literal

from fastapi import Depends, Header, Query, Request
from starlette.datastructures import UploadFile

from app.errors import BadRequest, Invalid, UnsupportedMedia
from app.services.samples import Incoming
from zoo.datasets.rows import Options
from zoo.datasets.snapshot import Part
from zoo.datasets.upload import Format

MAX_FILES = 2
_FORMATS: dict[str, Format | None] = {
    "text/csv": "csv",
    "application/json": "acquisition-json",
    "application/cbor": "acquisition-cbor",
    "application/zip": None,  # .npz, or pictures
    "application/octet-stream": None,
}
Flag = Literal["0", "1", "false", "true"]
_FORM = "multipart/form-data"
_TRUE = frozenset({"1", "true"})

Column = Annotated[str | None, Query(min_length=1, max_length=100)]


async def files(request: Request, file_name: str | None) -> tuple[dict[str, bytes], Format | None]:
    """The files by name, and their format if the type says it; a name is looked at, and never made a path."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == _FORM:
        return await _form(request), None
    if media_type not in _FORMATS:
        raise UnsupportedMedia(
            "unsupported_media_type",
            f"The body is {media_type or 'of no declared type'}.",
            f"Send {', '.join(_FORMATS)}, or a form with the file: curl -F file=@samples.csv.",
            "header.Content-Type",
        )
    body = await request.body()
    if not body:
        raise Invalid("empty_body", "The body is empty.", "Send the file's bytes as the body.", "body")
    return {file_name or "": body}, _FORMATS[media_type]


async def _form(request: Request) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    async with request.form(max_files=MAX_FILES, max_fields=0) as form:
        for _, part in form.multi_items():
            if not isinstance(part, UploadFile) or not part.filename:
                raise BadRequest(
                    "no_file", "A part of the form has no file name.", "Send files: curl -F file=@samples.csv.", "body"
                )
            if part.filename in found:
                raise BadRequest(
                    "file_twice",
                    f"The form has two files with the name {part.filename[:80]}.",
                    "Send one file, or a .data with its .json.",
                    "body.file",
                )
            found[part.filename] = await part.read()
    if not found or not all(found.values()):
        raise Invalid("empty_body", "The form has no file, or an empty one.", "curl -F file=@samples.csv", "body.file")
    return found


async def incoming(
    request: Request,
    format_: Annotated[Format | None, Query(alias="format")] = None,
    label_column: Column = None,
    group_column: Column = None,
    targets: Annotated[str | None, Query(min_length=1, max_length=1000)] = None,
    ignore: Annotated[str | None, Query(min_length=1, max_length=4000)] = None,
    shape: Annotated[str | None, Query(pattern="^[1-9][0-9]{0,5}(x[1-9][0-9]{0,5}){0,2}$")] = None,
    window: Annotated[int | None, Query(ge=1, le=1_000_000)] = None,
    stride: Annotated[int | None, Query(ge=1, le=1_000_000)] = None,
    part: Annotated[Part | None, Query()] = None,
    label: Annotated[str | None, Header(alias="x-label", min_length=1, max_length=100, pattern="^[ -~]+$")] = None,
    no_label: Annotated[Flag | None, Header(alias="x-no-label")] = None,
    disallow_duplicates: Annotated[Flag | None, Header(alias="x-disallow-duplicates")] = None,
    file_name: Annotated[
        str | None, Header(alias="x-file-name", min_length=1, max_length=255, pattern="^[ -~]+$")
    ] = None,
) -> Incoming:
    """An upload as it came."""
    found, typed = await files(request, file_name)
    return Incoming(
        files=found,
        format=format_ or typed,
        options=Options(
            label=label,
            label_from_name=no_label not in _TRUE,
            label_column=label_column,
            group_column=group_column,
            target_columns=_names(targets),
            ignored_columns=_names(ignore),
            shape=tuple(map(int, shape.split("x"))) if shape else None,
            window=window,
            stride=stride,
        ),
        part=part,
        refuse_duplicates=disallow_duplicates in _TRUE,
    )


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",")) if text else ()


IncomingDep = Annotated[Incoming, Depends(incoming)]
