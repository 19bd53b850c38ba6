"""Reads a builder's manifest and checks a build's parameters against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsonschema

from builders.contract.documents import Board, Manifest, Slot
from builders.contract.schema import REMEDY, load, pointer, validate, validate_against
from builders.errors import BadManifestError, BadParametersError

if TYPE_CHECKING:
    from collections.abc import Mapping

LABEL = "io.tinymlaas.builder"
MANIFEST_MAX_BYTES = 65_536
PARAMETERS_MAX_BYTES = 65_536

# A partner's schema is data that our process evaluates: no fetching, no recursion, no pattern that takes for ever.
_REFUSED_KEYWORDS = frozenset(
    {
        "$ref",
        "$dynamicRef",
        "$dynamicAnchor",
        "$anchor",
        "$id",
        "$schema",
        "$vocabulary",
        "pattern",
        "patternProperties",
    }
)
_VALUE_KEYWORDS = frozenset({"enum", "const", "default", "examples"})
_NAMED_SCHEMAS = frozenset({"properties", "$defs", "dependentSchemas"})


def parse_manifest(text: str | bytes) -> Manifest:
    """Read the text of the image label; raise BadManifestError with the field at fault."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    document = load(data, max_bytes=MANIFEST_MAX_BYTES, error=BadManifestError)
    validate(document, "manifest", error=BadManifestError)
    _check_schema(document["parameters"])
    boards = tuple(
        Board(
            name=board["name"],
            cpu=board["cpu"],
            flash_bytes=board["flash_bytes"],
            ram_bytes=board["ram_bytes"],
            slots={name: Slot(slot["address"], slot["size"]) for name, slot in board["slots"].items()},
        )
        for board in document["boards"]
    )
    names = [board.name for board in boards]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise BadManifestError(
                f"Board {name!r} is listed twice.", remedy="Name each board once.", field=f"/boards/{index}/name"
            )
    return Manifest(
        name=document["name"],
        version=document["version"],
        maintainer=document["maintainer"],
        description=document.get("description", ""),
        boards=boards,
        model_formats=tuple(document["model_formats"]),
        parameters=document["parameters"],
        estimates=document.get("estimates", False),
    )


def check_parameters(manifest: Manifest, parameters: Mapping[str, object]) -> None:
    """Raise BadParametersError with the field at fault when a build's parameters do not fit the manifest's schema."""
    validate_against(dict(parameters), manifest.parameters, error=BadParametersError)


def _check_schema(schema: dict[str, object]) -> None:
    _refuse_keywords(schema, ["parameters"])
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as problem:
        raise BadManifestError(
            f"`parameters` is not a JSON Schema: {problem.message[:200]}",
            remedy=REMEDY,
            field=pointer(["parameters", *problem.absolute_path]),
        ) from problem


def _refuse_keywords(schema: object, path: list[str | int]) -> None:
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            _refuse_keywords(item, [*path, index])
    elif isinstance(schema, dict):
        for keyword, value in schema.items():
            if keyword in _REFUSED_KEYWORDS:
                raise BadManifestError(
                    f"`parameters` uses the keyword {keyword!r}, which is not evaluated for partners.",
                    remedy="Describe the parameters with type, enum, minimum, maximum and maxLength.",
                    field=pointer([*path, keyword]),
                )
            if keyword in _NAMED_SCHEMAS and isinstance(value, dict):
                for name, item in value.items():
                    _refuse_keywords(item, [*path, keyword, name])
            elif keyword not in _VALUE_KEYWORDS:
                _refuse_keywords(value, [*path, keyword])
