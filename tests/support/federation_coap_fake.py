"""The federation of `federation_fake` on a real CoAP port, in a thread with an event loop of its own."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from lwm2m.errors import Refused
from lwm2m.federation import FederationSite
from lwm2m.messages import Code
from lwm2m.server import Lwm2mServer
from tests.support.federation_fake import FederationFake

_CODES = {401: Code.UNAUTHORIZED, 409: Code.CONFLICT, 422: Code.UNPROCESSABLE_ENTITY, 503: Code.SERVICE_UNAVAILABLE}


class _Intake:
    """Implements `lwm2m.federation.Intake`."""

    def __init__(self, fake: FederationFake) -> None:
        self._fake = fake

    async def assignment(self, federation: str, token: str) -> Mapping[str, object]:
        found: dict[str, object] = json.loads(self._asked("GET", f"/v1/federations/{federation}/assignment", token))
        return found

    async def model(self, federation: str, token: str, round_number: int, form: str) -> bytes:
        return self._asked("GET", f"/v1/federations/{federation}/rounds/{round_number}/model?form={form}", token)

    async def admit(self, federation: str, token: str, round_number: int, announced: int | None) -> int:
        del federation, token, round_number, announced
        return 1 << 20

    async def submit(self, federation: str, token: str, round_number: int, body: bytes) -> Mapping[str, object]:
        path = f"/v1/federations/{federation}/rounds/{round_number}/updates"
        found: dict[str, object] = json.loads(self._asked("POST", path, token, body))
        return found

    def _asked(self, method: str, path: str, token: str, body: bytes = b"") -> bytes:
        headers = {"Authorization": f"Bearer {token}"}
        answer = self._fake.handle(httpx.Request(method, f"http://fake{path}", headers=headers, content=body))
        if answer.is_success:
            return answer.content
        told = answer.json()
        raise Refused(_CODES[answer.status_code], f"{told['slug']}: {told['detail']} {told['remedy']}")


@contextmanager
def coap(fake: FederationFake, **settings: Any) -> Iterator[Lwm2mServer]:
    """A running server; its port is `.port`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    async def make() -> Lwm2mServer:
        return Lwm2mServer(port=0, grace=0, federations=FederationSite(_Intake(fake)), **settings)

    try:
        server = run(make())
        run(server.start())
        try:
            yield server
        finally:
            run(server.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
