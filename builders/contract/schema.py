"""Bounded reading of a JSON document, and its validation against a schema of the contract."""

from __future__ import annotations

import functools
import json
import math
import re
from importlib import resources
from typing import TYPE_CHECKING

import jsonschema
import referencing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from builders.errors import ContractError

REMEDY = "The contract is docs/reference/builder-contract.md, its schemas are builders/contract/*.schema.json."
_SHOWN = 200


def _pattern(
    _validator: object, pattern: str, instance: object, _schema: object
) -> Iterator[jsonschema.ValidationError]:
    # In JSON Schema `$` is the end of the text. Python's also matches before a last newline: "name\n" would pass.
    if isinstance(instance, str) and re.search(pattern.replace("$", r"\Z"), instance) is None:
        yield jsonschema.ValidationError(f"{instance[:_SHOWN]!r} does not match {pattern!r}")


_Validator: Any = jsonschema.validators.extend(  # type: ignore[no-untyped-call]  # its stub is incomplete
    jsonschema.Draft202012Validator, {"pattern": _pattern}
)
# An empty registry: by default jsonschema would fetch a remote $ref.
_NOTHING_REMOTE: referencing.Registry[Any] = referencing.Registry()


@functools.cache
def _contract_validator(name: str) -> Any:
    schema = json.loads((resources.files("builders.contract") / f"{name}.schema.json").read_text("utf-8"))
    _Validator.check_schema(schema)
    return _Validator(schema, registry=_NOTHING_REMOTE)


def pointer(path: Iterator[str | int] | list[str | int]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _not_finite(text: str) -> float:
    raise ValueError(f"{text[:_SHOWN]} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _not_finite(text)


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return document


def load(data: bytes, *, max_bytes: int, error: type[ContractError]) -> Any:
    """Parse untrusted JSON of at most `max_bytes`; raise `error` for anything that is not strict, finite UTF-8 JSON."""
    if len(data) > max_bytes:
        raise error(f"The document has {len(data)} bytes; at most {max_bytes} are read.", remedy=REMEDY, field="")
    try:
        text = data.decode("utf-8")
        document = json.loads(text, parse_float=_finite, parse_constant=_not_finite, object_pairs_hook=_no_duplicates)
        json.dumps(document, ensure_ascii=False).encode("utf-8")  # a lone surrogate escape cannot be stored as text
    except RecursionError:
        raise error("The document is nested too deeply.", remedy=REMEDY, field="") from None
    except ValueError as problem:  # JSONDecodeError, UnicodeError and an over-long number are ValueErrors
        raise error(f"The document is not JSON: {str(problem)[:_SHOWN]}", remedy=REMEDY, field="") from problem
    return document


def validate(document: object, name: str, *, error: type[ContractError]) -> None:
    """Check a document against `<name>.schema.json`; raise `error` for the first field that is wrong."""
    _raise_first(_contract_validator(name), document, error)


def validate_against(document: object, schema: Mapping[str, object], *, error: type[ContractError]) -> None:
    """Check a document against a partner's schema, which `manifest.check_schema` has accepted."""
    _raise_first(_Validator(schema, registry=_NOTHING_REMOTE), document, error)


def _raise_first(validator: Any, document: object, error: type[ContractError]) -> None:
    problem = jsonschema.exceptions.best_match(validator.iter_errors(document))
    if problem is not None:
        message = problem.message if len(problem.message) <= _SHOWN else problem.message[:_SHOWN] + "…"
        field = pointer(list(problem.absolute_path))
        raise error(f"At {field or 'the top'}: {message}", remedy=REMEDY, field=field)
