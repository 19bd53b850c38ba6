"""The client as a process: killed with kill -9 in the middle of its training; without TensorFlow, and small."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.client_process import ClientProcess
from tests.support.federation_fake import FEDERATION, TOKEN, FederationFake
from tests.support.trainable_digits import WHOLE

MAX_RESIDENT_MB = 160
EPOCHS = 400
"""About a second of training."""


@pytest.fixture
def fake() -> FederationFake:
    found = FederationFake(WHOLE.read_bytes(), rounds=2)
    found.training["epochs"] = EPOCHS
    return found


@pytest.fixture
def server(fake: FederationFake) -> Iterator[str]:
    with fake.serve() as url:
        yield url


def _client(folder: Path, server: str) -> ClientProcess:
    return ClientProcess(folder, server, FEDERATION, TOKEN, slice(0, 320), turned=True)


def test_003_9_the_client_of_a_device_needs_no_tensorflow_and_little_memory(
    fake: FederationFake, server: str, tmp_path: Path
) -> None:
    fake.training["epochs"] = 30
    *rounds, ended, process = _client(tmp_path / "device", server).run()
    assert ended == {"ended": "done", "handed_over": 2}
    assert [(part["round"], part["samples"], part["steps"]) for part in rounds] == [(1, 320, 600), (2, 320, 600)]
    assert rounds[0]["before"] < 0.4
    assert rounds[-1]["after"] > 0.9
    assert (process["code"], process["modules"]) == (0, [])
    assert process["resident_kb"] < MAX_RESIDENT_MB * 1024, process
    assert len(fake.taken) == 2


def test_003_6_a_client_killed_in_the_middle_of_its_training_goes_on_and_sends_the_same_bytes(
    fake: FederationFake, server: str, tmp_path: Path
) -> None:
    killed = _client(tmp_path / "killed", server)
    for _ in range(2):
        killed.kill_in_training("--rounds", "1")
        assert fake.bodies == [], "it was still training"
    said = killed.run("--rounds", "1")
    assert said[-2] == {"ended": "rounds", "handed_over": 1}
    assert said[0]["steps"] == 20 * EPOCHS
    other = FederationFake(WHOLE.read_bytes(), rounds=2)
    other.training["epochs"] = EPOCHS
    with other.serve() as url:
        _client(tmp_path / "undisturbed", url).run("--rounds", "1")
    assert fake.bodies == other.bodies
    assert len(fake.bodies) == 1
