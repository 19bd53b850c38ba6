"""One HTTP exchange with a Leshan server: addresses, limits, and its error texts as errors of ours."""

# ruff: noqa: ASYNC109 - a deadline is part of a device operation

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from urllib.parse import quote, urlsplit

import httpx

from lwm2m.errors import BadRequest, DeviceTimeout, DeviceUnreachable, NotRegistered

CONNECTING = 2.0  # seconds
MAX_ANSWER = 64 << 20  # bytes; twenty thousand registrations are 13 MB
_UNKNOWN = re.compile(r"no registered client with id", re.IGNORECASE)


class LeshanRest:
    """The REST API below one address."""

    def __init__(self, address: str) -> None:
        self.address = _base(address)
        # The deadline of an operation bounds everything after the connection is there.
        self.http = httpx.AsyncClient(base_url=self.address, timeout=httpx.Timeout(None, connect=CONNECTING))

    async def send(
        self,
        method: str,
        url: str,
        endpoint: str,
        timeout: float | None,
        *,
        params: Mapping[str, str] | None = None,
        content: bytes | AsyncIterator[bytes] = b"",
        headers: Mapping[str, str] | None = None,
    ) -> object:
        """One HTTP exchange: the JSON of the answer, None for an empty one and for 404."""
        try:
            async with (
                asyncio.timeout(timeout),
                self.http.stream(method, url, params=params, content=content or None, headers=headers) as response,
            ):
                body = await _body(response)
        except httpx.HTTPError as error:
            raise DeviceUnreachable(f"the Leshan server at {self.address} cannot be reached: {error!r}") from error
        except TimeoutError as error:
            raise DeviceTimeout(f"the Leshan server at {self.address} did not answer in time") from error
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        _check(response.status_code, body, endpoint)
        try:
            return json.loads(body) if body else None
        except (ValueError, RecursionError) as error:
            raise BadRequest(f"{self.address}{url} answered with something that is no JSON") from error


def client_url(endpoint: str) -> str:
    """Where one device is."""
    return f"clients/{quote(endpoint, safe='')}"


def _check(status: int, body: bytes, endpoint: str) -> None:
    """Leshan's texts as errors of ours."""
    if status < httpx.codes.BAD_REQUEST:
        return
    text = body[:500].decode(errors="replace").strip()
    if status == httpx.codes.GATEWAY_TIMEOUT:
        raise DeviceTimeout(f"{endpoint} did not answer the Leshan server in time")
    if status == httpx.codes.BAD_REQUEST and _UNKNOWN.search(text):
        raise NotRegistered(endpoint)
    if status < httpx.codes.INTERNAL_SERVER_ERROR:
        raise BadRequest(f"the Leshan server refuses the request: {text or status}")
    raise DeviceUnreachable(f"the Leshan server failed to ask {endpoint}: {text or status}")


async def _body(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER:
            raise BadRequest(f"the answer of the Leshan server is larger than {MAX_ANSWER} bytes")
    return bytes(body)


def _base(address: str) -> str:
    """http://host:8080 as http://host:8080/api/, which is where Leshan serves."""
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise BadRequest(f"{address!r} is no address of a Leshan server: write http://HOST:PORT")
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path if path.endswith('/api') else path + '/api'}/"
