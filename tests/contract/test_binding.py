"""The server and openapi.yaml say the same."""

import copy
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.api.idempotency import KeyedRoute
from app.contract.binding import ContractError, Handlers, bind, load_contract, operations
from app.main import create_app
from app.settings import Settings

ROOT = Path(__file__).parents[2]
CONTRACT = load_contract()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return create_app(Settings(data_dir=tmp_path_factory.mktemp("data")))


def _handlers(contract: dict[str, Any]) -> Handlers:
    handlers = Handlers()
    for operation in operations(contract):
        handlers(operation.id)(lambda: None)
    return handlers


def test_the_models_are_those_that_the_contract_generates(tmp_path: Path) -> None:
    generated = tmp_path / "models.py"
    subprocess.run([ROOT / "tools/generate-contract", generated], check=True, capture_output=True)
    assert generated.read_text() == (ROOT / "app/contract/models.py").read_text(), "run tools/generate-contract"


def test_start_up_refuses_a_missing_handler() -> None:
    contract = copy.deepcopy(CONTRACT)
    contract["paths"]["/v1/more"] = {"get": {"operationId": "more", "tags": ["health"], "responses": {"200": {}}}}
    with pytest.raises(ContractError, match=r"without handler \['more'\]"):
        bind(contract, _handlers(CONTRACT), KeyedRoute)


def test_start_up_refuses_a_handler_that_the_contract_does_not_know() -> None:
    contract = copy.deepcopy(CONTRACT)
    del contract["paths"]["/healthz"]
    with pytest.raises(ContractError, match=r"not in the contract \['getHealth'\]"):
        bind(contract, _handlers(CONTRACT), KeyedRoute)


def test_start_up_refuses_two_operations_with_one_id_and_two_handlers_for_one_operation() -> None:
    contract = copy.deepcopy(CONTRACT)
    contract["paths"]["/healthz2"] = contract["paths"]["/healthz"]
    with pytest.raises(ContractError, match=r"doubled \['getHealth'\]"):
        bind(contract, _handlers(CONTRACT), KeyedRoute)
    handlers = _handlers(CONTRACT)
    with pytest.raises(ContractError, match="two handlers for getHealth"):
        handlers("getHealth")(lambda: None)


def _resolve(node: Any) -> Any:
    while isinstance(node, dict) and "$ref" in node:
        target: Any = CONTRACT
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def _bounds(schema: dict[str, Any]) -> dict[str, Any]:
    """What a parameter's schema demands; optional ones are `anyOf` with null in what FastAPI writes."""
    schema = _resolve(schema)
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    merged = {**{k: v for k, v in schema.items() if k == "default" and v is not None}, **options[0]}
    if "const" in merged:
        merged["enum"] = [merged.pop("const")]
    names = ("type", "pattern", "minimum", "maximum", "minLength", "maxLength", "enum", "default")
    return {name: merged[name] for name in names if name in merged}


def test_every_parameter_is_declared_alike_on_both_sides(app: FastAPI) -> None:
    served = get_openapi(title="served", version="1", routes=app.routes)
    seen = 0
    for operation in operations(CONTRACT):
        written = CONTRACT["paths"][operation.path][operation.method.lower()]
        answered = served["paths"][operation.path][operation.method.lower()]

        def table(spec: dict[str, Any]) -> dict[tuple[str, str], tuple[bool, dict[str, Any]]]:
            parameters = [_resolve(item) for item in spec.get("parameters", [])]
            return {(p["in"], p["name"]): (p.get("required", False), _bounds(p["schema"])) for p in parameters}

        assert table(answered) == table(written), operation.id
        seen += 1
    assert seen > 25


def test_every_json_body_and_answer_has_the_contracts_schema(app: FastAPI) -> None:
    served = get_openapi(title="served", version="1", routes=app.routes)
    for operation in operations(CONTRACT):
        written = CONTRACT["paths"][operation.path][operation.method.lower()]
        answered = served["paths"][operation.path][operation.method.lower()]
        bodies = written.get("requestBody", {}).get("content", {})
        if set(bodies) == {"application/json"}:  # a body of several types is read by hand, out of FastAPI's sight
            json_body = bodies["application/json"]["schema"]
            assert answered["requestBody"]["content"]["application/json"]["schema"] == json_body, operation.id
        json_answers = [
            _resolve(response)["content"]["application/json"]["schema"]
            for status, response in written["responses"].items()
            if status.startswith("2") and "application/json" in _resolve(response).get("content", {})
        ]
        if json_answers:
            found = answered["responses"][str(operation.status)]["content"]["application/json"]["schema"]
            assert found == json_answers[-1], operation.id


def test_every_path_and_method_that_is_served_is_in_the_contract(app: FastAPI) -> None:
    served = get_openapi(title="served", version="1", routes=app.routes)
    mine = {(path, method) for path, item in served["paths"].items() for method in item}
    written = {(operation.path, operation.method.lower()) for operation in operations(CONTRACT)}
    assert mine == written


def test_the_interactive_docs_ask_nothing_from_outside(app: FastAPI) -> None:
    pages = [route for route in app.routes if getattr(route, "path", "") in {"/docs", "/redoc"}]
    assert len(pages) == 2


def test_no_description_of_the_document_ends_at_a_comma_that_wanted_quotes() -> None:
    # In `{description: a, b}` YAML reads the description "a" and a key "b" without a value; only `default` may be null.
    assert list(_without_value(CONTRACT, "")) == []


def _without_value(node: object, path: str) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if value is None and key != "default":
                yield f"{path}/{key}"
            yield from _without_value(value, f"{path}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _without_value(value, f"{path}/{index}")
