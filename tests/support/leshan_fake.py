"""A Leshan demo server as its clients see it on the wire, quirks included, with devices that a test plays.

The quirks: HTTP 200 though a device refuses; 400 for an unknown endpoint; 5 s unless told otherwise; an answer that
comes later for a device that sleeps, whose queue holds one request and drops the one before without a word; a passive
cancel that always succeeds. Shapes and texts are those that were recorded of Leshan.
"""

import asyncio
import contextlib
import json
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

DEFAULT_TIMEOUT = 5
Json = dict[str, Any]


@dataclass
class FakeDevice:
    """A device behind the fake. `values` are resource nodes by path; what is not there is NOT_FOUND."""

    endpoint: str
    registration: Json
    values: dict[str, Json] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)  # path -> status
    calls: list[tuple[str, str, Any]] = field(default_factory=list)  # what reached the device: (operation, path, body)
    observed: set[str] = field(default_factory=set)
    needs: float = 0.0  # seconds that it takes to answer; no time passes here
    silent: bool = False
    asleep: bool = False
    queued: Callable[[], None] | None = None


class FakeLeshan:
    """Run with `serve`; everything happens on the loop of the caller."""

    def __init__(self) -> None:
        self.devices: dict[str, FakeDevice] = {}
        self.requests: list[Request] = []
        self.streams: set[asyncio.Queue[bytes | None]] = set()
        self.running = 0
        self.highest = 0  # requests for one device at the same time
        self.port = 0
        self._serial = 0
        self._told = 0
        self.app = Starlette(
            routes=[
                Route("/api/event", self._event_stream),
                Route("/api/clients", self._list),
                Route("/api/clients/{ep}", self._one),
                Route("/api/clients/{ep}/composite", self._read_composite, methods=["GET"]),
                Route("/api/clients/{ep}/composite", self._write_composite, methods=["PUT"]),
                Route("/api/clients/{ep}/composite/observe", self._observe_composite, methods=["POST"]),
                Route("/api/clients/{ep}/composite/observe", self._cancel_composite, methods=["DELETE"]),
                Route("/api/clients/{ep}/{path:path}/discover", self._discover, methods=["GET"]),
                Route("/api/clients/{ep}/{path:path}/observe", self._observe, methods=["POST"]),
                Route("/api/clients/{ep}/{path:path}/observe", self._cancel, methods=["DELETE"]),
                Route("/api/clients/{ep}/{path:path}", self._read, methods=["GET"]),
                Route("/api/clients/{ep}/{path:path}", self._write, methods=["PUT"]),
                Route("/api/clients/{ep}/{path:path}", self._execute, methods=["POST"]),
            ]
        )

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Its address while it runs."""
        with socket.create_server(("127.0.0.1", self.port)) as listener:
            self.port = listener.getsockname()[1]
            config = uvicorn.Config(self.app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
            web = uvicorn.Server(config)
            serving = asyncio.create_task(web.serve(sockets=[listener]))
            try:
                yield f"http://127.0.0.1:{self.port}"
            finally:
                self.drop_streams()
                web.should_exit = True
                await serving

    # --- What devices do ------------------------------------------------------------------------------------------

    def register(self, endpoint: str, *, lifetime: int = 300, queue: bool = False) -> FakeDevice:
        """A device registers; one of this name is de-registered before."""
        before = self.devices.get(endpoint)
        if before is not None:
            self.leave(endpoint)
        self._serial += 1
        now = self._now()
        registration: Json = {
            "endpoint": endpoint,
            "registrationId": f"VDXjmu{self._serial:04}",
            "registrationDate": now,
            "lastUpdate": now,
            "address": "127.0.0.1:56830",
            "lwM2mVersion": "1.1",
            "lifetime": lifetime,
            "bindingMode": "U",
            "rootPath": "/",
            "objectLinks": [
                {"url": "/", "attributes": {"rt": '"oma.lwm2m"', "ct": "110"}},
                {"url": "/1", "attributes": {"ver": "1.1"}},
                {"url": "/1/0", "attributes": {}},
                {"url": "/3/0", "attributes": {}},
                {"url": "/5/0", "attributes": {}},
            ],
            "secure": False,
            "additionalRegistrationAttributes": {},
            "queuemode": queue,
            "availableInstances": {"1": [0], "3": [0], "5": [0]},
        }
        if queue:
            registration["sleeping"] = False
        device = FakeDevice(endpoint, registration, dict(before.values) if before else {})
        self.devices[endpoint] = device
        self.tell("REGISTRATION", registration)
        return device

    def update(self, endpoint: str, lifetime: int | None = None) -> None:
        """A device renews its registration."""
        registration = self.devices[endpoint].registration
        registration["lastUpdate"] = self._now()
        update: Json = {"registrationId": registration["registrationId"], "address": registration["address"]}
        if lifetime is not None:
            registration["lifetime"] = update["lifetime"] = lifetime
        update |= {"secure": False, "additionalAttributes": {}}
        self.tell("UPDATED", {"registration": registration, "update": update})

    def leave(self, endpoint: str) -> None:
        """A registration ends; what is queued for it is dropped."""
        self.tell("DEREGISTRATION", self.devices.pop(endpoint).registration)

    def sleep(self, endpoint: str) -> None:
        """A device stops listening."""
        self.devices[endpoint].asleep = True
        self.tell("SLEEPING", {"ep": endpoint})

    def wake(self, endpoint: str) -> None:
        """A device listens again, and gets the one request that is kept for it."""
        device = self.devices[endpoint]
        device.asleep = False
        self.tell("AWAKE", {"ep": endpoint})
        queued, device.queued = device.queued, None
        if queued is not None:
            queued()

    def notify(self, endpoint: str, path: str, node: Json) -> None:
        """An observed path changed."""
        assert path in self.devices[endpoint].observed
        self.tell("NOTIFICATION", {"ep": endpoint, "kind": "single", "res": path, "val": node})

    def notify_composite(self, endpoint: str, paths: list[str], nodes: dict[str, Json]) -> None:
        """Some of several observed paths changed."""
        assert ",".join(paths) in self.devices[endpoint].observed
        self.tell("NOTIFICATION", {"ep": endpoint, "kind": "composite", "val": nodes, "paths": paths})

    def send(self, endpoint: str, nodes: dict[str, Json]) -> None:
        """A device sends values without being asked."""
        self.tell("SEND", {"ep": endpoint, "val": nodes})

    def tell(self, name: str, data: Json) -> None:
        """One event to every stream."""
        for stream in self.streams:
            stream.put_nowait(f"event: {name}\r\ndata: {json.dumps(data)}\r\n\r\n".encode())

    def drop_streams(self) -> None:
        """End every event stream, as a proxy or a restart does."""
        for stream in self.streams:
            stream.put_nowait(None)

    # --- What clients ask -----------------------------------------------------------------------------------------

    async def _event_stream(self, request: Request) -> Response:
        if "text/event-stream" not in request.headers.get("accept", ""):
            return PlainTextResponse("HTTP method GET is not supported by this URL", 405)
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.streams.add(queue)

        async def feed() -> AsyncIterator[bytes]:
            try:
                while (event := await queue.get()) is not None:
                    yield event
            finally:
                self.streams.discard(queue)

        return StreamingResponse(feed(), media_type="text/event-stream;charset=utf-8")

    async def _list(self, _: Request) -> Response:
        return JSONResponse([device.registration for device in self.devices.values()])

    async def _one(self, request: Request) -> Response:
        device = self.devices.get(request.path_params["ep"])
        return _unknown(request) if device is None else JSONResponse(device.registration)

    async def _read(self, request: Request) -> Response:
        path = _path(request)

        def answer(device: FakeDevice) -> Json:
            node = _node(device, path)
            return _failure("NOT_FOUND(404)") if node is None else _success("CONTENT(205)", content=node)

        return await self._operate(request, "read", path, None, answer)

    async def _write(self, request: Request) -> Response:
        path, body = _path(request), await request.json()
        if request.headers["content-type"] != "application/json":
            return PlainTextResponse("Invalid request: content type not supported", 400)

        def answer(device: FakeDevice) -> Json:
            device.values[path] = {**body, "id": int(path.rpartition("/")[2])}
            return _success("CHANGED(204)")

        return await self._operate(request, "write", path, body, answer)

    async def _execute(self, request: Request) -> Response:
        body = (await request.body()).decode()
        return await self._operate(request, "execute", _path(request), body, lambda _: _success("CHANGED(204)"))

    async def _discover(self, request: Request) -> Response:
        path = _path(request)

        def answer(device: FakeDevice) -> Json:
            below = sorted(each for each in device.values if each.startswith(path + "/"))
            links = [{"url": path, "attributes": {"pmin": "5"}}, *({"url": each, "attributes": {}} for each in below)]
            return _success("CONTENT(205)", objectLinks=links)

        return await self._operate(request, "discover", path, None, answer)

    async def _observe(self, request: Request) -> Response:
        path = _path(request)

        def answer(device: FakeDevice) -> Json:
            device.observed.add(path)
            return _success("CONTENT(205)", content=_node(device, path))

        return await self._operate(request, "observe", path, None, answer)

    async def _cancel(self, request: Request) -> Response:
        path = _path(request)
        return await self._end(request, path, lambda device: _success("CONTENT(205)", content=_node(device, path)))

    async def _read_composite(self, request: Request) -> Response:
        paths = request.query_params["paths"]
        return await self._operate(request, "read-composite", paths, None, lambda device: _composite(device, paths))

    async def _write_composite(self, request: Request) -> Response:
        body = await request.json()

        def answer(device: FakeDevice) -> Json:
            device.values.update(body)
            return _success("CHANGED(204)")

        return await self._operate(request, "write-composite", ",".join(body), body, answer)

    async def _observe_composite(self, request: Request) -> Response:
        paths = request.query_params["paths"]

        def answer(device: FakeDevice) -> Json:
            device.observed.add(paths)
            return _composite(device, paths)

        return await self._operate(request, "observe-composite", paths, None, answer)

    async def _cancel_composite(self, request: Request) -> Response:
        paths = request.query_params["paths"]
        return await self._end(request, paths, lambda device: _composite(device, paths))

    async def _end(self, request: Request, key: str, answer: Callable[[FakeDevice], Json]) -> Response:
        device = self.devices.get(request.path_params["ep"])
        if device is None:
            return _unknown(request)
        known = key in device.observed
        device.observed.discard(key)
        if "active" not in request.query_params:
            return Response()
        if not known:
            return PlainTextResponse(f"no observation for path {key} for  client '{device.endpoint}'", 404)
        return await self._operate(request, "cancel", key, None, answer)

    async def _operate(
        self, request: Request, operation: str, path: str, body: object, answer: Callable[[FakeDevice], Json]
    ) -> Response:
        device = self.devices.get(request.path_params["ep"])
        self.requests.append(request)
        if device is None:
            return _unknown(request)

        def perform() -> Json:
            device.calls.append((operation, path, body))
            status = device.refusals.get(path)
            return _failure(status) if status is not None else answer(device)

        if device.asleep:
            return self._delay(device, path, perform)
        self.running += 1
        self.highest = max(self.highest, self.running)
        await asyncio.sleep(0.01)
        self.running -= 1
        seconds = request.query_params.get("timeout", "")
        limit = int(seconds) if seconds.isdigit() else DEFAULT_TIMEOUT
        if device.silent or device.needs > limit:
            return PlainTextResponse("Request timeout", 504)
        return JSONResponse(perform())

    def _delay(self, device: FakeDevice, path: str, perform: Callable[[], Json]) -> Response:
        delayed = {"ep": device.endpoint, "path": path, "requestId": str(uuid.uuid4()), "delayed": True}

        def answer_late() -> None:
            response = perform()
            self.tell("REQUEST_RESPONSE", delayed | {"response": response})

        device.queued = answer_late  # the one before is gone, and nobody is told
        return JSONResponse(delayed)

    def _now(self) -> int:
        """Milliseconds since 1970, never the same twice."""
        self._told = max(self._told + 1, int(time.time() * 1000))
        return self._told


def _path(request: Request) -> str:
    return "/" + request.path_params["path"].strip("/")


def _unknown(request: Request) -> Response:
    return PlainTextResponse(f"No registered client with id '{request.path_params['ep']}'", 400)


def _success(status: str, **more: object) -> Json:
    return {"status": status, "valid": True, "success": True, "failure": False, **more}


def _failure(status: str) -> Json:
    message = {"errormessage": f"refused: {status}"}
    return {"status": status, "valid": True, "success": False, "failure": True, **message}


def _node(device: FakeDevice, path: str) -> Json | None:
    """A resource, or an instance with the resources that are there."""
    if path in device.values:
        return device.values[path]
    below = [node for each, node in sorted(device.values.items()) if each.startswith(path + "/")]
    if not below:
        return None
    return {"kind": "instance", "id": int(path.rpartition("/")[2]), "resources": below}


def _composite(device: FakeDevice, paths: str) -> Json:
    found = {path: _node(device, path) for path in paths.split(",")}
    return _success("CONTENT(205)", content={path: node for path, node in found.items() if node is not None})
