"""One running server for the tests of the API."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.server import ServerProcess


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    process = ServerProcess(
        tmp_path_factory.mktemp("app") / "data",
        max_model_bytes="400000",
        max_body_bytes="2000000",
        retention_seconds="1",
    )
    process.start()
    yield process
    assert process.stop() == 0, process.tail()


@pytest.fixture
def api(server: ServerProcess) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client
