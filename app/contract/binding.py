"""Binds openapi.yaml to handlers by operationId; start-up refuses a missing, an unknown or a doubled operation."""

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from fastapi import APIRouter, HTTPException, Request, Response

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
CONTRACT = Path(__file__).resolve().parents[2] / "openapi.yaml"

Handler = Callable[..., Any]
H = TypeVar("H", bound=Handler)


class ContractError(Exception):
    """The handlers and openapi.yaml disagree; the server does not start."""


@dataclass(frozen=True)
class Operation:
    """One operation of the contract."""

    id: str
    method: str
    path: str
    tag: str
    status: int
    idempotent_by_key: bool


class Handlers:
    """The functions that carry out operations, by operationId."""

    def __init__(self) -> None:
        self._by_id: dict[str, Handler] = {}

    def __call__(self, operation_id: str) -> Callable[[H], H]:
        """Decorator: this function carries out that operation."""

        def register(handler: H) -> H:
            if operation_id in self._by_id:
                raise ContractError(f"two handlers for {operation_id}: keep one")
            self._by_id[operation_id] = handler
            return handler

        return register

    def include(self, other: "Handlers") -> None:
        """Take over another registry's handlers."""
        for operation_id, handler in other._by_id.items():
            self(operation_id)(handler)

    def __getitem__(self, operation_id: str) -> Handler:
        """The handler of an operation; KeyError without one."""
        return self._by_id[operation_id]

    def ids(self) -> frozenset[str]:
        """Every operationId that has a handler."""
        return frozenset(self._by_id)


def load_contract(path: Path = CONTRACT) -> dict[str, Any]:
    """openapi.yaml as data."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        raise ContractError(f"{path.name} holds no mapping")
    return document


def operations(contract: dict[str, Any]) -> Iterator[Operation]:
    """Every operation of the contract."""
    for path, item in contract["paths"].items():
        for method in METHODS:
            if method in item:
                spec = item[method]
                statuses = [int(status) for status in spec["responses"] if status.startswith("2")]
                yield Operation(
                    id=spec["operationId"],
                    method=method.upper(),
                    path=path,
                    tag=spec["tags"][0],
                    status=statuses[-1] if method == "post" else statuses[0],
                    idempotent_by_key=any(
                        parameter.get("$ref", "").endswith("/IdempotencyKey")
                        for parameter in spec.get("parameters", ())
                    ),
                )


def bind(contract: dict[str, Any], handlers: Handlers, keyed: type[Any]) -> APIRouter:
    """A router with one route for each operation; those that take an Idempotency-Key get the route class `keyed`.

    Raises ContractError when an operation has no handler, a handler no operation, or an operationId stands twice.
    """
    found = list(operations(contract))
    ids = [operation.id for operation in found]
    doubled = sorted({id_ for id_ in ids if ids.count(id_) > 1})
    missing = sorted(set(ids) - handlers.ids())
    unknown = sorted(handlers.ids() - set(ids))
    if doubled or missing or unknown:
        raise ContractError(
            f"openapi.yaml and app/api disagree: doubled {doubled}, without handler {missing}, "
            f"not in the contract {unknown}"
        )
    router = APIRouter()
    for path, methods in _shadowed(found).items():
        known = {operation.method for operation in found if operation.path == path}
        router.add_route(path, _refusal(known), methods=sorted(methods), include_in_schema=False)
    keyed_router = APIRouter(route_class=keyed)
    for operation in found:
        (keyed_router if operation.idempotent_by_key else router).add_api_route(
            # An LwM2M path has slashes of its own; FastAPI has to be told.
            operation.path.replace("{path}", "{path:path}"),
            handlers[operation.id],
            methods=[operation.method],
            operation_id=operation.id,
            tags=[operation.tag],
            status_code=operation.status,
        )
    router.include_router(keyed_router)
    return router


def _shadowed(found: list[Operation]) -> dict[str, set[str]]:
    """The methods that a path without parameters does not have, and a path with a parameter in its place has.

    OpenAPI 3.1, 4.8.8.2: the concrete path is the one that is meant. A router would give `GET /v1/builds/estimate` to
    the operation that shows the build named `estimate`.
    """
    methods: dict[str, set[str]] = {}
    for operation in found:
        methods.setdefault(operation.path, set()).add(operation.method)
    shadowed: dict[str, set[str]] = {}
    for template, offered in methods.items():
        pattern = re.compile(re.sub(r"\\{[^/]+\\}", "[^/]+", re.escape(template)))
        for path, known in methods.items():
            if "{" in template and "{" not in path and pattern.fullmatch(path):
                shadowed.setdefault(path, set()).update(offered - known)
    return {path: missing for path, missing in shadowed.items() if missing}


def _refusal(known: set[str]) -> Callable[[Request], Awaitable[Response]]:
    """What answers the methods that a path does not have; RFC 9110, 15.5.6, wants those that it has."""

    async def refuse(request: Request) -> Response:
        allow = {"Allow": ", ".join(sorted(known))}
        raise HTTPException(405, f"{request.url.path} does not take {request.method}.", allow)

    return refuse
