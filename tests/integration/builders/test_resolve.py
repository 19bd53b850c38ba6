"""From a name to a pinned builder, with images that are none and registries that do not help."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from builders.contract import LABEL
from builders.errors import (
    BadManifestError,
    ImageNotFoundError,
    ImagePullFailedError,
    NotABuilderError,
    VolumeRefusedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

pytestmark = pytest.mark.docker

# The fixtures' types are defined in conftest.py, which a test cannot import by name.
Bench = Any
MakeImage = Any


def test_a_tag_and_its_id_resolve_to_the_same_builder(docker_bench: Bench, probe_image: str) -> None:
    by_tag = docker_bench.runner.inspect(probe_image)
    by_id = docker_bench.runner.inspect(by_tag.image_id)
    assert by_tag.image_id == by_id.image_id
    assert by_tag.image_id.startswith("sha256:")
    assert by_tag.manifest.board("mps2-an386").slots["firmware"].size == 4194304


@pytest.mark.parametrize(
    ("dockerfile", "manifest", "error"),
    [
        ('FROM scratch\nENTRYPOINT ["/x"]', None, NotABuilderError),
        ('FROM scratch\nCMD ["/x"]', "{}", NotABuilderError),
        ('FROM scratch\nENTRYPOINT ["/x"]', "{}", BadManifestError),
        ('FROM scratch\nVOLUME /data\nENTRYPOINT ["/x"]', None, VolumeRefusedError),
    ],
)
def test_an_image_that_is_no_builder_is_refused(
    docker_bench: Bench, make_image: MakeImage, dockerfile: str, manifest: str | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        docker_bench.runner.inspect(make_image(dockerfile, manifest=manifest))


def test_an_image_with_a_volume_does_not_run_either(
    docker_bench: Bench, make_image: MakeImage, engine: docker.DockerClient
) -> None:
    tag = make_image('FROM scratch\nVOLUME /data\nENTRYPOINT ["/x"]')
    docker_bench.image_id = engine.images.get(tag).id
    with pytest.raises(VolumeRefusedError):
        docker_bench.run("succeed")


def test_text_that_is_no_reference_is_not_found(docker_bench: Bench) -> None:
    with pytest.raises(ImageNotFoundError):
        docker_bench.runner.inspect("not a reference")


def test_an_unreachable_registry_is_told_from_a_missing_image(docker_bench: Bench) -> None:
    with pytest.raises(ImagePullFailedError, match="refused"):
        docker_bench.runner.inspect("127.0.0.1:1/partner/builder:1.0")


@pytest.fixture
def empty_registry() -> Iterator[str]:
    """A registry that has nothing; engines speak plain HTTP to loopback addresses."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/v2/"
            body = b"{}" if found else b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_image_that_the_registry_does_not_have_is_not_found(docker_bench: Bench, empty_registry: str) -> None:
    with pytest.raises(ImageNotFoundError, match="neither on the engine nor in its registry"):
        docker_bench.runner.inspect(f"{empty_registry}/partner/builder:1.0")


def test_a_missing_label_tells_the_partner_what_to_do(docker_bench: Bench, make_image: Callable[..., str]) -> None:
    with pytest.raises(NotABuilderError) as caught:
        docker_bench.runner.inspect(make_image('FROM scratch\nENTRYPOINT ["/x"]', manifest=None))
    assert LABEL in caught.value.remedy
