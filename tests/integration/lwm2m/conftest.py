"""A server on loopback and a device written directly on aiocoap, so that nothing of ours tests itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiocoap
import aiocoap.resource
import pytest
from aiocoap.numbers.codes import Code

from lwm2m.server import Lwm2mServer

OBJECTS = b'</>;rt="oma.lwm2m";ct=110,</1/0>,</3/0>,</5/0>'
Answer = Callable[[aiocoap.Message], aiocoap.Message]


class RawDevice(aiocoap.resource.Resource):  # type: ignore[misc]  # aiocoap has no types
    """Answers from a table, remembers what it was asked, collects Block1 by itself and notifies observers."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[tuple[str, str], Answer] = {}
        self.requests: list[aiocoap.Message] = []
        self.observers: dict[str, Any] = {}
        self.uploads: dict[str, bytes] = {}
        self.sequence = 10
        self.context: Any = None
        self.server_port = 0

    async def render_to_pipe(self, pipe: Any) -> None:
        request = pipe.request
        path = "/" + "/".join(request.opt.uri_path)
        if request.code in (Code.GET, Code.FETCH) and request.opt.observe == 0:
            self.requests.append(request)
            self.observers[path] = pipe
            message = self.answers[str(request.code), path](request)
            message.opt.observe = self.sequence
            pipe.add_response(message)
            await asyncio.Event().wait()
        if request.opt.observe == 1:
            self.observers.pop(path, None)
        await super().render_to_pipe(pipe)

    async def needs_blockwise_assembly(self, request: Any) -> bool:
        return "/" + "/".join(request.opt.uri_path) not in self.uploads

    async def render(self, request: Any) -> Any:
        self.requests.append(request)
        path = "/" + "/".join(request.opt.uri_path)
        if path in self.uploads and request.code in (Code.PUT, Code.POST):
            return self.upload(path, request)
        answer = self.answers.get((str(request.code), path))
        if answer is None:
            return aiocoap.Message(code=Code.NOT_FOUND, payload=f"nothing at {path}".encode())
        return answer(request)

    def upload(self, path: str, request: Any) -> Any:
        block = request.opt.block1
        if block is None:
            self.uploads[path] = request.payload
            return aiocoap.Message(code=Code.CHANGED)
        if block.start != len(self.uploads[path]) and block.block_number:
            return aiocoap.Message(code=Code.REQUEST_ENTITY_INCOMPLETE)
        self.uploads[path] = (self.uploads[path] if block.block_number else b"") + request.payload
        code = Code.CONTINUE if block.more else Code.CHANGED
        return aiocoap.Message(code=code, block1=(block.block_number, block.more, block.size_exponent))

    def notify(self, path: str, message: aiocoap.Message) -> None:
        self.sequence += 1
        message.opt.observe = self.sequence
        self.observers[path].add_response(message)

    async def send(self, code: Code, path: str, query: str = "", payload: bytes = b"", **options: Any) -> Any:
        uri = f"coap://127.0.0.1:{self.server_port}{path}" + (f"?{query}" if query else "")
        return await self.context.request(aiocoap.Message(code=code, uri=uri, payload=payload, **options)).response

    async def register(self, query: str = "ep=dev1&lt=300&lwm2m=1.1&b=U", payload: bytes = OBJECTS) -> str:
        response = await self.send(Code.POST, "/rd", query, payload, content_format=40)
        assert response.code == Code.CREATED, response.payload
        return "/" + "/".join(response.opt.location_path)


@pytest.fixture
async def server() -> AsyncIterator[Lwm2mServer]:
    async with Lwm2mServer(port=0, grace=0) as running:
        yield running


@pytest.fixture
async def new_device() -> AsyncIterator[Callable[[int], Awaitable[RawDevice]]]:
    async with AsyncExitStack() as stack:

        async def start(server_port: int) -> RawDevice:
            device = RawDevice()
            device.server_port = server_port
            device.context = await aiocoap.Context.create_server_context(
                device, bind=("127.0.0.1", 0), transports=["udp6"]
            )
            stack.push_async_callback(device.context.shutdown)
            return device

        yield start


@pytest.fixture
async def device(server: Lwm2mServer, new_device: Callable[[int], Awaitable[RawDevice]]) -> RawDevice:
    return await new_device(server.port)
