"""One running server for the contract tests."""

from collections.abc import Iterator

import pytest

from tests.support.server import ServerProcess


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path_factory.mktemp("contract") / "data")
    process.start()
    yield process
    assert process.stop() == 0, process.tail()
