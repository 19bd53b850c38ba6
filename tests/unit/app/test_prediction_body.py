"""Instances as JSON are bounded before they are parsed: parsing holds everybody up."""

import pytest
from starlette.requests import Request

from app.api.predictions import MAX_JSON_BYTES, given
from app.contract.models import PredictionRequest
from app.errors import TooLarge


def _request(body: bytes) -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", b"application/json")]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


def _instances(size: int) -> bytes:
    begin, end = b'{"instances": [[', b"1]]}"
    return begin + b" " * (size - len(begin) - len(end)) + end


async def test_instances_up_to_the_bound_are_read() -> None:
    found = await given(_request(_instances(MAX_JSON_BYTES)))
    assert isinstance(found, PredictionRequest)
    assert found.instances == [[1]]


async def test_more_is_refused_with_what_to_do() -> None:
    with pytest.raises(TooLarge) as refused:
        await given(_request(_instances(MAX_JSON_BYTES + 1)))
    assert (refused.value.slug, refused.value.field) == ("instances_too_large", "body.instances")
    assert f"{MAX_JSON_BYTES + 1} bytes" in refused.value.detail
    assert "Send fewer" in refused.value.remedy
