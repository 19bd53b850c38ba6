"""One federation of browsers and of programs over REST and CoAP, as its operator sees it on the page of federations."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, expect

from app.cli.federation_sites import CoapSite
from tests.support.browser import Watched, chromium
from tests.support.digits import digits
from tests.support.federation import HELD_OUT, OCTETS, UNTRAINED, Client, Operator, local
from tests.support.server import ServerProcess
from zoo.federated.device_client import Ended, FederatedClient, Patience, Settings
from zoo.federated.device_state import ClientState
from zoo.federated.splits import by_label
from zoo.training.on_device.budget import Budget
from zoo.training.on_device.samples import Samples
from zoo.training.on_device.trainer import LiteRtTrainer

pytestmark = pytest.mark.browser

ROUNDS, CLIENTS = 25, 10
BROWSERS, OVER_COAP = slice(0, 2), slice(2, 4)
"""Among the clients; the others come over REST."""
TRAINING = {"epochs": 5, "batch_size": 16, "learning_rate": 0.2}
PARTS = by_label(digits()[1][: HELD_OUT.start].astype(np.int64), CLIENTS, 0.3, seed=1)
"""The rows of each client: few labels have more than a handful of samples at one of them."""


class Comparing(Operator):
    """An operator who has everybody's digits, as nobody has in earnest: to train with them in one place, too."""

    def prepare(self) -> str:
        """The clients' digits as the training split, the held-out ones as the test split."""
        pictures, numbers = digits()
        ours, theirs = slice(0, HELD_OUT.start), HELD_OUT
        data = io.BytesIO()
        parts = {"x_train": pictures[ours], "y_train": numbers[ours], "x_test": pictures[theirs]}
        np.savez(data, **parts, y_test=numbers[theirs])
        self.api.post("/v1/datasets", json={"name": self.name}).raise_for_status()
        path = f"/v1/datasets/{self.name}"
        self.api.post(f"{path}/samples?format=npz", content=data.getvalue(), headers=OCTETS).raise_for_status()
        split = {"train": 0.8, "validation": 0, "test": 0.2}
        snapshot: str = self.api.post(f"{path}/snapshots", json=split).raise_for_status().json()["sha256"]
        self.train(snapshot, rate=1e-6, epochs=1)
        return snapshot

    def train(self, snapshot: str, *, rate: float, epochs: int) -> None:
        """The next version of the model, trained in one place."""
        recipe = {**UNTRAINED, "optimiser": {"type": "sgd", "rate": rate}, "epochs": epochs}
        request = {"kind": "centralised", "model": self.name, "snapshot": snapshot, "recipe": recipe}
        job = self.api.post("/v1/training-jobs", json=request).raise_for_status().json()
        ended = self.wait(f"/v1/training-jobs/{job['id']}", lambda found: found["finished_at"] is not None)
        assert ended["state"] == "succeeded", ended


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    found = ServerProcess(tmp_path_factory.mktemp("browsers") / "data")
    found.start()
    yield found
    assert found.stop() == 0, found.tail()


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def test_002_5_and_6_browsers_coap_and_rest_clients_train_together_as_well_as_with_all_data_in_one_place(
    server: ServerProcess, chrome: Browser, tmp_path: Path
) -> None:
    with server.client() as api, ThreadPoolExecutor(CLIENTS) as pool:
        operator = Comparing(api)
        snapshot = operator.prepare()
        operator.train(snapshot, rate=0.1, epochs=30)
        federation_id = operator.create(
            snapshot, name="mixed", rounds=ROUNDS, minimum_clients=CLIENTS, training=TRAINING
        )
        tokens = [operator.enrol(federation_id, f"client-{number}") for number in range(CLIENTS)]
        people = [
            _join(chrome, server, federation_id, token, rows, tmp_path)
            for token, rows in zip(tokens[BROWSERS], PARTS[BROWSERS], strict=True)
        ]
        rest = slice(OVER_COAP.stop, CLIENTS)
        programs = [
            Client(server, federation_id, token, rows) for token, rows in zip(tokens[rest], PARTS[rest], strict=True)
        ]
        running = [pool.submit(client.run) for client in programs]
        for token, rows in zip(tokens[OVER_COAP], PARTS[OVER_COAP], strict=True):
            running.append(pool.submit(_over_coap, server, federation_id, token, rows, tmp_path / token[:8]))
        operator.start(federation_id)
        for page, _ in people:
            page.click("#start")
        for page, watched in people:
            expect(page.locator("#state")).to_contain_text("The federation has ended", timeout=120_000)
            assert page.locator('#rounds [data-cell="update"]').all_inner_texts() == _sent(watched)
            assert len(_sent(watched)) == ROUNDS
            assert watched.complaints == []
        for ended in running:
            ended.result(timeout=60)
        for program in programs:
            program.http.close()
        finished = operator.federation(federation_id, lambda found: found["finished_at"] is not None)
        assert finished["state"] == "finished", finished

    page = chrome.new_page()
    watched = Watched.over(page)
    page.goto(f"{server.url}/federations")
    page.click("#list a")
    expect(page.locator("#rounds tr")).to_have_count(ROUNDS)
    page.fill("#against", "digits@2")
    page.click("#compare")
    expect(page.locator("#measured")).to_have_text("Accuracy of float weights, both on the same held-out data")
    difference = float(page.inner_text("#difference").removesuffix(" points"))
    assert difference >= -3.0, page.inner_text("#comparison")
    assert page.locator("#chart polyline").count() == 2
    first = page.locator("#rounds tr").last.locator("td").all_inner_texts()
    assert first[:4] == ["1", "closed", str(CLIENTS), str(CLIENTS)]
    assert int(first[4]) == HELD_OUT.start
    assert "The average is digits@3" in page.inner_text("#state")
    assert watched.complaints == []


def _join(
    chrome: Browser, server: ServerProcess, federation_id: str, token: str, rows: NDArray[np.int64], folder: Path
) -> tuple[Page, Watched]:
    """A person with a file of digits, who has not begun yet."""
    pictures, numbers = digits()
    mine = folder / f"{token[:8]}.npz"
    np.savez_compressed(mine, x=pictures[rows], y=numbers[rows])
    page = chrome.new_page()
    watched = Watched.over(page)
    page.goto(f"{server.url}/federate#federation={federation_id}&token={token}")
    expect(page.locator("#samples")).to_be_visible(timeout=20_000)
    page.set_input_files("#file", mine)
    expect(page.locator("#held")).to_contain_text(f"{len(rows)} samples")
    return page, watched


def _over_coap(server: ServerProcess, federation_id: str, token: str, rows: NDArray[np.int64], folder: Path) -> None:
    """What `tinymlaas federate client` does, without a process of its own."""
    headers = {"Authorization": f"Bearer {token}"}
    path = f"{server.url}/v1/federations/{federation_id}/trainable"
    trainer = LiteRtTrainer(httpx.get(path, headers=headers).raise_for_status().content)
    state = ClientState(folder)
    with (
        CoapSite(f"coap://127.0.0.1:{server.lwm2m_port}", federation_id, token, None) as site,
        state.held(federation_id),
    ):
        client = FederatedClient(
            site,
            trainer,
            Samples(*local(trainer, rows)),
            state,
            Settings("int8", poll_seconds=0.1),
            Budget(),
            Patience(lambda _: None, 120),
            lambda _: None,
        )
        assert client.run() == Ended("done", ROUNDS)


def _sent(watched: Watched) -> list[str]:
    """What the page is to say of each update, the newest first."""
    return [f"taken, {len(body)} bytes" for body in reversed(watched.bodies) if body]
