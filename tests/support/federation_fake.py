"""A federation's server as its clients see it: REST by the contract, rounds by `zoo.federated`, no database.

`handle` is the transport of an httpx client; `serve` puts it behind a socket. Everything that comes is kept in `came`.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import numpy as np

from zoo.federated.documents import Limits, Update, decode_update, encode_model
from zoo.federated.errors import UpdateRefused
from zoo.federated.parameters import Weights, weights_sha256
from zoo.training.on_device.trainer import LiteRtTrainer

FEDERATION = "fed_0123456789abcdef"
TOKEN = "token-of-one-client"  # noqa: S105 - a test's
BASE = f"/v1/federations/{FEDERATION}"


@dataclass
class FederationFake:
    """One federation of `clients` tokens; a round closes when each has answered."""

    model: bytes
    rounds: int = 3
    clients: int = 1
    training: dict[str, Any] = field(
        default_factory=lambda: {"epochs": 5, "batch_size": 16, "learning_rate": 0.05, "max_samples": 10_000}
    )
    waits: bool = False
    """The federation has not begun: `wait` whatever is asked."""
    failures: list[httpx.Response | Exception] = field(default_factory=list)
    """What the next requests get in place of an answer, one after the other."""
    before_answer: Callable[[httpx.Request], None] = lambda _: None
    came: list[httpx.Request] = field(default_factory=list)
    taken: list[Update] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    now: int = 1

    def __post_init__(self) -> None:
        trainer = LiteRtTrainer(self.model)
        self.parameters, self.weights = trainer.parameters, trainer.get_weights()
        self._open: dict[str, bytes] = {}

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        request.read()
        self.came.append(request)
        assert len(self.came) < 500, "the client asks again and again"
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return failure
        self.before_answer(request)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not token.startswith(TOKEN):
            return problem(401, "token_invalid", "This token belongs to no client of this federation.")
        path = request.url.path.removeprefix(BASE)
        match path.strip("/").split("/"):
            case ["trainable"]:
                return httpx.Response(200, content=self.model)
            case ["assignment"]:
                return httpx.Response(200, json=self._assignment(token))
            case ["rounds", number, "model"] if int(number) == self.now:
                form: Any = request.url.params["form"]
                return httpx.Response(200, content=encode_model(FEDERATION, self.now, self.weights, form))
            case ["rounds", number, "updates"]:
                return self._take(token, int(number), request.content)
        return problem(409, "stale_round", f"{path} is over.")

    @contextmanager
    def serve(self) -> Iterator[str]:
        """The same behind a socket of the loopback; the address."""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._do()

            def do_POST(self) -> None:
                self._do()

            def _do(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                url = f"http://{self.headers['Host']}{self.path}"
                answer = fake.handle(httpx.Request(self.command, url, headers=dict(self.headers), content=body))
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def _assignment(self, token: str) -> dict[str, Any]:
        action = "done" if self.now > self.rounds else "wait" if self.waits or token in self._open else "train"
        path = f"{BASE}/rounds/{self.now}"
        trains = action == "train"
        return {
            "action": action,
            "round": self.now,
            "base": weights_sha256(self.weights).hex() if trains else None,
            "deadline_at": None,
            "model": f"{path}/model" if trains else None,
            "updates": f"{path}/updates" if trains else None,
            "training": self.training if trains else None,
        }

    def _take(self, token: str, number: int, body: bytes) -> httpx.Response:
        if self._open.get(token) == body:
            return httpx.Response(201, json={"accepted": True, "samples": 1})
        if number != self.now:
            return problem(409, "stale_round", f"Round {number} is over.")
        if token in self._open:
            return problem(409, "duplicate_update", "There is one already.")
        try:
            update = decode_update(body, self.parameters, Limits())
        except UpdateRefused as refusal:
            return problem(422, refusal.code, refusal.detail)
        if update.base != weights_sha256(self.weights):
            return problem(409, "wrong_base", "The update comes from another model.")
        self._open[token] = body
        self.bodies.append(body)
        self.taken.append(update)
        if len(self._open) == self.clients:
            self.weights = average(self.taken[-self.clients :])
            self._open.clear()
            self.now += 1
        return httpx.Response(201, json={"accepted": True, "samples": update.samples})


def average(updates: list[Update]) -> Weights:
    """Sum of n w over sum of n."""
    total = sum(update.samples for update in updates)
    columns = zip(*(update.weights for update in updates), strict=True)
    shares = [update.samples / total for update in updates]
    return tuple(
        np.sum([share * array for share, array in zip(shares, column, strict=True)], axis=0).astype(np.float32)
        for column in columns
    )


def problem(status: int, slug: str, detail: str) -> httpx.Response:
    """As RFC 9457 has it."""
    body = {"slug": slug, "detail": detail, "remedy": "Look at the assignment.", "status": status}
    return httpx.Response(status, content=json.dumps(body), headers={"Content-Type": "application/problem+json"})
