"""A server with the shipped builder in Docker, and an emulated board behind an edge agent: what `make demo` starts."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest

from builders.engine import connect
from builders.image import build_shipped_image
from tests.support.edge import EdgeProcess
from tests.support.images import MakeImage, image_maker
from tests.support.server import ServerProcess

BOARD = "mps2-an386"
REMOVED_SECONDS = 10.0  # behind a build, on a busy machine
ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "builders/images/cortex-m/manifest.json"


@dataclass
class World:
    """Everything that one test talks to."""

    server: ServerProcess
    edge: EdgeProcess
    api: httpx.Client
    engine: docker.DockerClient

    def wait(self, path: str, until: Callable[[dict[str, Any]], bool], seconds: float = 120) -> dict[str, Any]:
        """Poll a resource until something holds."""
        deadline = time.monotonic() + seconds
        while True:
            resource: dict[str, Any] = self.api.get(path).raise_for_status().json()
            if until(resource):
                return resource
            if time.monotonic() > deadline:
                raise AssertionError(f"{path} is still {resource}\n{self.server.tail()}\n{self.edge.tail()}")
            time.sleep(0.05)

    def request_build(self, model: str, **more: Any) -> dict[str, Any]:
        """POST a build that must be taken."""
        response = self.api.post("/v1/builds", json={"model": model, "board": BOARD, **more})
        assert response.status_code in {200, 202}, response.text
        build: dict[str, Any] = response.json()
        return build

    def build(self, model: str, **more: Any) -> dict[str, Any]:
        """Build, and wait for the end, whichever."""
        return self.wait(f"/v1/builds/{self.request_build(model, **more)['id']}", _build_ended)

    def request_update(self, artifact: str, delivery: str = "pull") -> dict[str, Any]:
        """POST an update that must be taken."""
        self.wait(f"/v1/devices/{self.edge.endpoint}", lambda device: device["reachability"] == "online")
        body = {"endpoint": self.edge.endpoint, "artifact_sha256": artifact, "delivery": delivery}
        response = self.api.post("/v1/updates", json=body)
        assert response.status_code == 202, response.text
        update: dict[str, Any] = response.json()
        return update

    def update(self, artifact: str, delivery: str = "pull") -> dict[str, Any]:
        """Update, and wait for the end, whichever."""
        return self.wait(f"/v1/updates/{self.request_update(artifact, delivery)['id']}", update_ended)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `tinymlaas` against this server, as a user does."""
        return subprocess.run(
            [sys.executable, "-m", "app.cli", "--server", self.server.url, *words],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "400", "NO_COLOR": "1"},
        )

    def device(self) -> dict[str, Any]:
        """The device as the server knows it."""
        device: dict[str, Any] = self.api.get(f"/v1/devices/{self.edge.endpoint}").json()
        return device

    def wait_for_device(self, endpoint: str, until: Callable[[dict[str, Any]], bool], seconds: float = 30) -> None:
        """Poll a device, which may not have registered yet, until something holds."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self.api.get(f"/v1/devices/{endpoint}")
            if answer.status_code == 200 and until(answer.json()):
                return
            assert time.monotonic() < deadline, f"{answer.text}\n{self.server.tail()}"
            time.sleep(0.05)

    def leftovers(self) -> list[str]:
        """Containers and volumes of this server that are not removed within seconds."""
        deadline = time.monotonic() + REMOVED_SECONDS
        while (found := self._on_the_engine()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def _on_the_engine(self) -> list[str]:
        label = f"tinymlaas.server={(self.server.data_dir / 'server-id').read_text()}"
        containers = self.engine.containers.list(all=True, filters={"label": label}, ignore_removed=True)
        return [c.name or "" for c in containers] + [v.name for v in self.engine.volumes.list(filters={"label": label})]


def _build_ended(build: dict[str, Any]) -> bool:
    return build["state"] in {"succeeded", "failed", "cancelled"}


def update_ended(update: dict[str, Any]) -> bool:
    """Whether nothing will happen any more."""
    return update["finished_at"] is not None


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    client = connect()
    yield client
    client.close()


@pytest.fixture(scope="session")
def shipped_image(engine: docker.DockerClient) -> str:
    """The shipped builder; a minute or two when it was never built on this machine."""
    return build_shipped_image(engine, print)


@pytest.fixture(scope="module")
def world(engine: docker.DockerClient, shipped_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("world")
    server = ServerProcess(folder / "data", build_seconds="20", update_seconds="60", measure_seconds="5")
    server.start()
    edge = EdgeProcess(server, "board-1", folder / "edge")
    with server.client() as api:
        found = World(server, edge, api, engine)
        try:
            edge.start()
            api.post("/v1/builders", json={"image": shipped_image}).raise_for_status()
            yield found
        finally:
            edge.stop()
        assert server.stop() == 0, server.tail()
    assert found.leftovers() == []


@pytest.fixture(scope="module")
def make_image(engine: docker.DockerClient, shipped_image: str) -> Iterator[MakeImage]:
    """Build an image from a Dockerfile's text (`SHIPPED` is the shipped builder) and give its reference."""
    with image_maker(engine, MANIFEST.read_text(), SHIPPED=shipped_image) as make:
        yield make
