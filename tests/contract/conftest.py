"""One running server for the contract tests."""

from collections.abc import Iterator

import pytest
from _pytest.nodeid import coerce_node_id

from tests.support.server import ServerProcess


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path_factory.mktemp("contract") / "data")
    process.start()
    yield process
    assert process.stop() == 0, process.tail()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each operation have a node id of its own: Schemathesis gives all one, and pytest-xdist runs it once."""
    for item in items:
        if hasattr(item, "operation_label") and item.parent is not None:
            item._id = coerce_node_id(f"{item.parent.nodeid}::{item.name}")
