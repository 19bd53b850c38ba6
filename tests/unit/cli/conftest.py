"""A server on the wire that answers from a table, a clock that sleeping moves, and the command line over both."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from app.cli.root import app
from app.cli.session import Session

Reply = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]
SHA = "ab" * 32


@dataclass
class FakeServer:
    """Answers `METHOD /path` with the replies given for it, in order; the last one again and again."""

    replies: dict[str, list[Reply]] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)

    def on(self, call: str, *replies: Reply) -> None:
        self.replies[call] = list(replies)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        queue = self.replies[f"{request.method} {request.url.path}"]
        reply = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, httpx.Response):
            return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)
        return reply(request)

    def sent(self, call: str) -> list[httpx.Request]:
        """Every request of a call that came."""
        return [request for request in self.requests if f"{request.method} {request.url.path}" == call]


@dataclass
class FakeClock:
    """Time that passes by sleeping only."""

    now: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def __call__(self) -> float:
        return self.now


@dataclass
class Cli:
    """Runs `tinymlaas` in this process."""

    server: FakeServer
    clock: FakeClock

    def __call__(self, *arguments: str, stdin: str | None = None, **environment: str) -> Result:
        session = Session(transport=httpx.MockTransport(self.server), sleep=self.clock.sleep, clock=self.clock)
        return CliRunner().invoke(
            app, list(arguments), obj=session, input=stdin, env={"TINYMLAAS_SERVER": "", **environment}
        )


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cli(server: FakeServer, clock: FakeClock) -> Cli:
    return Cli(server, clock)


@dataclass(frozen=True)
class Bodies:
    """Bodies as openapi.yaml has them."""

    sha: str = SHA
    at: str = "2026-01-02T03:04:05Z"

    def problem(self, status: int, **more: Any) -> httpx.Response:
        body = {
            "type": "tag:tinymlaas,2026:problem/board_not_found",
            "title": "Not found",
            "status": status,
            "detail": "No builder builds for a board named x.",
            "slug": "board_not_found",
            "remedy": "Take one of GET /v1/boards.",
            **more,
        }
        headers = {"Content-Type": "application/problem+json"}
        return httpx.Response(status, headers=headers, content=json.dumps(body))

    def page(self, *items: object, cursor: str | None = None) -> httpx.Response:
        return httpx.Response(200, json={"items": list(items), "next_cursor": cursor})

    def model(self, name: str = "digits-cnn", **more: Any) -> dict[str, Any]:
        return {
            "name": name,
            "task": "classification",
            "description": "Digits",
            "active_version": 1,
            "latest_version": 1,
            "created_at": self.at,
            **more,
        }

    def version(self, sha256: str = SHA, **more: Any) -> dict[str, Any]:
        tensor = {"name": "x", "shape": [1, 8, 8, 1], "dtype": "int8", "scale": 0.5, "zero_point": -128}
        report = {
            "inputs": [tensor],
            "outputs": [tensor],
            "operators": [{"name": "CONV_2D", "count": 2}],
            "parameters": 1000,
            "macs": 5000,
            "flash_estimate_bytes": 20000,
            "ram_estimate_bytes": 3000,
            "is_int8": True,
        }
        return {
            "model": "digits-cnn",
            "version": 1,
            "sha256": sha256,
            "size": 9,
            "active": True,
            "golden_vectors": 8,
            "report": report,
            "card": None,
            "formats": [],
            "metric": None,
            "lineage": None,
            "created_at": self.at,
            **more,
        }

    def build(self, state: str = "succeeded", **more: Any) -> dict[str, Any]:
        done = state == "succeeded"
        return {
            "id": "bld_0123456789abcdef",
            "state": state,
            "model": "digits-cnn",
            "version": 1,
            "model_sha256": SHA,
            "board": "mps2-an386",
            "builder_id": "bldr_0123456789abcdef",
            "builder_digest": f"sha256:{SHA}",
            "parameters": {},
            "firmware_version": "1.0.0+7",
            "security_counter": 1,
            "key": SHA,
            "artifact_sha256": SHA if done else None,
            "artifacts": [self.build_artifact()] if done else [],
            "memory": {"flash_bytes": 34567, "ram_bytes": 2345, "arena_bytes": 1024} if done else None,
            "performance": None,
            "operators": [],
            "toolchain": {},
            "error": None,
            "attempts": 1,
            "created_at": self.at,
            "started_at": None,
            "finished_at": None,
            "seconds": 4.25 if done else None,
            **more,
        }

    def build_artifact(self, **more: Any) -> dict[str, Any]:
        image = {"sha256": SHA, "kind": "firmware", "format": "bin", "file": "firmware.bin", "slot": "firmware"}
        return {**image, "size": 35000, **more}

    def training_job(self, state: str = "succeeded", **more: Any) -> dict[str, Any]:
        done = state == "succeeded"
        return {
            "id": "trn_0123456789abcdef",
            "state": state,
            "kind": "centralised",
            "model": "my-digits",
            "version": 3 if done else None,
            "parent": None,
            "snapshot_sha256": SHA,
            "dataset": "digits",
            "recipe": {"recipe": 1},
            "seed": 1,
            "epochs_done": 2 if done else 0,
            "epochs_total": 2,
            "metric": {"name": "accuracy", "better": "higher", "float32": 0.9751, "int8": 0.9722} if done else None,
            "comparison": [],
            "error": None,
            "attempts": 1,
            "created_at": self.at,
            "started_at": None,
            "finished_at": None,
            "seconds": 8.5 if done else None,
            **more,
        }

    def update(self, state: str = "succeeded", **more: Any) -> dict[str, Any]:
        return {
            "id": "upd_0123456789abcdef",
            "kind": "fota",
            "slot": "firmware",
            "choice_reason": "FOTA: the whole firmware, 20 bytes, goes into a slot of 4,194,304.",
            "endpoint": "demo-board",
            "artifact_sha256": SHA,
            "previous_sha256": None,
            "delivery": "push",
            "severity": None,
            "max_defer_seconds": None,
            "state": state,
            "reason": None,
            "result": None,
            "bytes_sent": 10,
            "bytes_total": 20,
            "expected_version": "1.0.0+7",
            "reported_version": None,
            "report": None,
            "inference": None,
            "created_at": self.at,
            "started_at": None,
            "finished_at": None,
            "deadline_at": None,
            "delivery_seconds": 1.5,
            **more,
        }

    def explanation(self, state: str) -> dict[str, Any]:
        return {
            "id": "upd_0123456789abcdef",
            "kind": "fota",
            "state": state,
            "choice_reason": None,
            "summary": "The device put the previous image back.",
            "device_result": "8: firmware update failed",
            "next": "Read the device's report.",
            "steps": [{"at": self.at, "state": "pending", "text": "queued"}],
        }

    def event(self, number: int, type_: str = "build.running") -> dict[str, Any]:
        return {"id": number, "at": self.at, "type": type_, "subject": "build/bld_1", "data": {"n": number}}

    def builder(self, engine: str = "docker") -> dict[str, Any]:
        board = {"name": "mps2-an386", "cpu": "cortex-m4", "flash_bytes": 4194304, "ram_bytes": 4194304}
        return {
            "id": "bldr_0123456789abcdef",
            "name": "cortex-m",
            "version": "1.0.0",
            "maintainer": "TinyMLaaS",
            "description": "A builder",
            "image": "cortex-m:latest",
            "digest": f"sha256:{SHA}",
            "engine": engine,
            "boards": [board],
            "model_formats": ["tflite"],
            "parameters": {"type": "object"},
            "estimates": True,
            "check": None,
            "created_at": self.at,
        }

    def device(self, **more: Any) -> dict[str, Any]:
        return {
            "endpoint": "demo-board",
            "reachability": "online",
            "address": "127.0.0.1:40000",
            "lwm2m_version": "1.1",
            "lifetime": 60,
            "board": "mps2-an386",
            "firmware_version": "1.0.0+7",
            "artifact_sha256": SHA,
            "abi": None,
            "model_source": None,
            "model_slots": [],
            "model_artifact_sha256": None,
            "model": "digits-cnn",
            "version": 1,
            "model_sha256": SHA,
            "first_seen_at": self.at,
            "last_seen_at": self.at,
            **more,
        }

    def artifact(self, sha256: str = SHA) -> dict[str, Any]:
        return {
            "sha256": sha256,
            "kind": "firmware",
            "format": "bin",
            "slot": "firmware",
            "abi": None,
            "signature": None,
            "size": 9,
            "board": "mps2-an386",
            "firmware_version": "1.0.0+7",
            "security_counter": 1,
            "model": "digits-cnn",
            "version": 1,
            "model_sha256": SHA,
            "builder_digest": f"sha256:{SHA}",
            "build_id": "bld_0123456789abcdef",
            "devices": ["demo-board"],
            "created_at": self.at,
        }


@pytest.fixture(scope="session")
def bodies() -> Bodies:
    return Bodies()


class BrokenStream(httpx.SyncByteStream):
    """A body that comes in pieces, and then the connection is gone."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        raise httpx.ReadError("connection reset")


@pytest.fixture(scope="session")
def broken_stream() -> type[BrokenStream]:
    return BrokenStream
