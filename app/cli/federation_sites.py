"""The ways from a client to its federation: HTTP, and CoAP with or without DTLS."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TypeVar
from urllib.parse import quote

import httpx

from app.cli.client import checked_url
from app.cli.errors import Misused
from lwm2m.client.connection import Psk
from lwm2m.client.federation import FederationLink, NoAnswer, RefusedAnswer
from lwm2m.errors import BadRequest
from zoo.federated.documents import MEDIA_TYPE, Form
from zoo.federated.site import Site, SiteBroken, SiteRefused, SiteUnreachable, Task
from zoo.training.on_device.document import MAX_FILE_BYTES

Found = TypeVar("Found")

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
MAX_ANSWER_BYTES = 64 * 1024
_PIECE = 64 * 1024


class OpenSite(Site, AbstractContextManager["OpenSite"]):
    """A site with a connection behind it. `most_model_bytes` bounds what is read of a global model."""

    most_model_bytes: int = MAX_FILE_BYTES


class HttpSite(OpenSite):
    """A federation's REST API. The token goes into the Authorization header and nowhere else."""

    def __init__(self, server: str, federation: str, token: str, transport: httpx.BaseTransport | None = None) -> None:
        self._server = checked_url(server)
        self._base = f"/v1/federations/{quote(federation, safe='')}"
        self._http = httpx.Client(
            base_url=self._server,
            transport=transport,
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            headers={
                "User-Agent": "tinymlaas-client",
                "Authorization": f"Bearer {token}",
                "Accept-Encoding": "identity",  # what is read is bounded as it comes
            },
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()

    def trainable(self) -> bytes:
        """See Site."""
        return self._get("/trainable", MAX_FILE_BYTES)

    def task(self, wait: float) -> Task:
        """See Site."""
        data = self._get("/assignment", MAX_ANSWER_BYTES, {"wait": str(int(wait))})
        try:
            return Task.of(json.loads(data))
        except (ValueError, RecursionError) as error:
            raise SiteBroken(f"{self._server} answered an assignment that is no JSON.") from error

    def model(self, task: Task, form: Form) -> bytes:
        """See Site."""
        return self._get(f"/rounds/{task.round}/model", self.most_model_bytes, {"form": form})

    def submit(self, task: Task, body: bytes) -> None:
        """See Site."""
        path = f"{self._base}/rounds/{task.round}/updates"
        self._read("POST", path, MAX_ANSWER_BYTES, content=body, headers={"Content-Type": MEDIA_TYPE})

    def _get(self, path: str, most: int, params: Mapping[str, str] | None = None) -> bytes:
        return self._read("GET", self._base + path, most, params=params)

    def _read(
        self,
        method: str,
        path: str,
        most: int,
        *,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        try:
            with self._http.stream(method, path, params=params, content=content, headers=headers) as response:
                data = bytearray()
                if "Content-Encoding" in response.headers:  # a few bytes could become any number
                    raise SiteBroken(f"{self._server} answered {path} compressed, and it was asked not to.")
                for piece in response.iter_bytes(_PIECE):
                    data += piece
                    if len(data) > (most if response.is_success else MAX_ANSWER_BYTES):
                        raise SiteBroken(f"{self._server} answered {path} with more than {most} bytes.")
        except httpx.HTTPError as error:
            raise SiteUnreachable(f"{self._server} does not answer: {str(error) or type(error).__name__}.") from error
        if response.is_success:
            return bytes(data)
        raise self._refusal(response.status_code, bytes(data))

    def _refusal(self, status: int, data: bytes) -> SiteUnreachable | SiteRefused | SiteBroken:
        if status >= 500 or status in {httpx.codes.TOO_MANY_REQUESTS, httpx.codes.REQUEST_TIMEOUT}:
            return SiteUnreachable(f"{self._server} answered {status}.")
        try:
            problem = json.loads(data)
            return SiteRefused(str(problem["slug"]), str(problem["detail"]), str(problem["remedy"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            return SiteBroken(f"{self._server} answered {status} and no problem in JSON.")


class CoapSite(OpenSite):
    """A federation on the CoAP port. It has no .tflite to give: a client brings the file along."""

    def __init__(self, server: str, federation: str, token: str, psk: Psk | None) -> None:
        try:
            self._link = FederationLink(server, federation, token, psk)
        except BadRequest as error:
            raise Misused(f"{error}.", "Such as coap://HOST:PORT; coaps:// with --psk-identity.") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._link.close()

    def trainable(self) -> bytes:
        """See Site."""
        raise SiteRefused(
            "model_not_served",
            "A federation over CoAP does not hand out the model's file.",
            "Give it with --model; GET /v1/federations/{id}/trainable has it.",
        )

    def task(self, wait: float) -> Task:
        """See Site. The server answers at once."""
        del wait
        return Task.of(self._asked(self._link.assignment))

    def model(self, task: Task, form: Form) -> bytes:
        """See Site."""
        return self._asked(lambda: self._link.model(task.round, form, self.most_model_bytes))

    def submit(self, task: Task, body: bytes) -> None:
        """See Site."""
        self._asked(lambda: self._link.submit(task.round, body))

    def _asked(self, ask: Callable[[], Found]) -> Found:
        try:
            return ask()
        except NoAnswer as error:
            raise SiteUnreachable(str(error)) from error
        except RefusedAnswer as refusal:
            code = refusal.slug or f"coap_{refusal.code >> 5}_{refusal.code & 31:02d}"
            raise SiteRefused(code, refusal.detail, "") from refusal


def open_site(
    server: str, federation: str, token: str, psk: Psk | None, transport: httpx.BaseTransport | None = None
) -> OpenSite:
    """The way that the address asks for. Raises Misused."""
    if server.partition("://")[0] in {"coap", "coaps"}:
        return CoapSite(server, federation, token, psk)
    return HttpSite(server, federation, token, transport)


def read_secret(path: Path, what: str) -> str:
    """A secret of one line. Raises Misused for none, and for one that everybody on the machine can read."""
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misused(
            f"{path}: {getattr(error, 'strerror', None) or 'it is no text'}.", f"Write {what} into it."
        ) from error
    if mode & 0o077:
        raise Misused(f"{path} can be read by others.", f"chmod 600 {path}")
    if not text or len(text) > 256 or not text.isprintable() or " " in text:
        raise Misused(f"{path} does not hold {what} in one line.", f"Write {what} into it, and nothing else.")
    return text
