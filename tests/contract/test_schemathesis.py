"""Schemathesis over the whole contract: no server error, no undocumented status, no answer outside its schema."""

from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.support.server import ServerProcess

EXAMPLES = 25


@schemathesis.serializer("application/cbor", "application/zip", "image/png", "image/jpeg")
def _as_it_is(_context: schemathesis.SerializationContext, value: object) -> bytes:
    """Files are their own form; what a schema generates for one is any text."""
    return value if isinstance(value, bytes) else str(value).encode()


schema = schemathesis.openapi.from_path(Path(__file__).parents[2] / "openapi.yaml")


@schema.exclude(operation_id="streamEvents").parametrize()  # an endless stream; tested in tests/integration/app
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_every_operation_keeps_to_the_contract(case: schemathesis.Case, server: ServerProcess) -> None:
    case.call_and_validate(
        base_url=server.url,
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
            negative_data_rejection,
            unsupported_method,
        ],
    )
