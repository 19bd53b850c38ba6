"""A client of a federation over CoAP and DTLS: block by block over real UDP, against the server's own site."""

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.errors import Misused
from app.cli.federation_sites import CoapSite
from lwm2m.client.connection import Psk
from lwm2m.client.federation import FederationLink, NoAnswer, RefusedAnswer
from lwm2m.coap import Listener
from lwm2m.security import MemorySecurityStore, PskCredential
from lwm2m.server import Lwm2mServer
from tests.support.federation_coap_fake import coap
from tests.support.federation_device import Device
from tests.support.federation_fake import BASE, FEDERATION, TOKEN, FederationFake, problem
from tests.support.trainable_digits import WHOLE
from zoo.federated.device_client import Ended
from zoo.federated.documents import Form
from zoo.federated.site import SiteRefused, SiteUnreachable

KEY = bytes(range(16))


@pytest.fixture
def fake() -> FederationFake:
    return FederationFake(WHOLE.read_bytes())


@pytest.fixture
def server(fake: FederationFake) -> Iterator[Lwm2mServer]:
    keys = MemorySecurityStore({"gateway": PskCredential("gateway", KEY)})
    with coap(fake, security=keys, listeners=(Listener("coaps", "127.0.0.1", 0),)) as running:
        yield running


def _plain(server: Lwm2mServer, token: str = TOKEN) -> CoapSite:
    return CoapSite(f"coap://127.0.0.1:{server.port}", FEDERATION, token, None)


@pytest.mark.parametrize("form", ["float32", "float16", "int8"])
def test_002_5_a_client_over_coap_trains_what_one_over_http_trains(
    fake: FederationFake, server: Lwm2mServer, tmp_path: Path, form: Form
) -> None:
    assert Device(fake, tmp_path / "coap", way=lambda: _plain(server)).run(form=form) == Ended("done", 3)
    other = FederationFake(WHOLE.read_bytes())
    Device(other, tmp_path / "http").run(form=form)
    assert fake.bodies == other.bodies
    assert max(map(len, fake.bodies)) > 1024, "updates and models have several blocks"


def test_002_5_a_client_over_coaps_proves_itself_by_its_key(
    fake: FederationFake, server: Lwm2mServer, tmp_path: Path
) -> None:
    uri = f"coaps://127.0.0.1:{server.ports['coaps']}"

    def secured() -> CoapSite:
        return CoapSite(uri, FEDERATION, TOKEN, Psk("gateway", KEY))

    assert Device(fake, tmp_path / "state", way=secured).run() == Ended("done", 3)
    with pytest.raises(Misused, match="needs a pre-shared key"):
        CoapSite(uri, FEDERATION, TOKEN, None)


def test_a_refusal_over_coap_has_its_slug_and_its_remedy(server: Lwm2mServer) -> None:
    with _plain(server, token="another") as site, pytest.raises(SiteRefused) as refused:  # noqa: S106 - a test's
        site.task(0)
    assert refused.value.code == "token_invalid"
    assert refused.value.detail == ("This token belongs to no client of this federation. Look at the assignment.")


def test_a_server_that_cannot_now_is_asked_again(fake: FederationFake, server: Lwm2mServer, tmp_path: Path) -> None:
    fake.failures.append(problem(503, "busy", "Others send."))
    device = Device(fake, tmp_path / "state", way=lambda: _plain(server))
    assert device.run(rounds=1) == Ended("rounds", 1)
    assert len(device.slept) == 1
    assert "busy: Others send." in device.told[0]


def test_an_address_where_nobody_listens_is_told_from_a_refusal(server: Lwm2mServer) -> None:
    assert server.port
    with CoapSite("coap://127.0.0.1:9", FEDERATION, TOKEN, None) as site, pytest.raises(SiteUnreachable):
        site.task(0)


class Relay:
    """Passes datagrams of one client on to `port`, and back what is answered there."""

    def __init__(self) -> None:
        self.port = 0
        self._near, self._far = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self._near.bind(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._near.getsockname())
        self._client: tuple[str, int] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Relay":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._near.close()
        self._far.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            for ready in select.select([self._near, self._far], [], [], 0.05)[0]:
                data, sender = ready.recvfrom(65536)
                if ready is self._near:
                    self._client = sender
                    self._far.sendto(data, ("127.0.0.1", self.port))
                elif self._client is not None:
                    self._near.sendto(data, self._client)


def test_a_client_over_coaps_finds_a_server_again_that_was_killed_without_a_word(
    fake: FederationFake, server: Lwm2mServer
) -> None:
    """The new one knows nothing of the association, and does not answer in it."""
    keys = MemorySecurityStore({"gateway": PskCredential("gateway", KEY)})
    with Relay() as relay, coap(fake, security=keys, listeners=(Listener("coaps", "127.0.0.1", 0),)) as new:
        relay.port = server.ports["coaps"]
        link = FederationLink(f"coaps://{relay.address}", FEDERATION, TOKEN, Psk("gateway", KEY), answer_seconds=2.0)
        try:
            told = link.assignment()
            relay.port = new.ports["coaps"]
            with pytest.raises(NoAnswer, match="does not answer: TimeoutError"):
                link.assignment()
            for _ in range(20):
                with contextlib.suppress(NoAnswer):
                    assert link.assignment() == told
                    break
            else:
                pytest.fail("the client does not find its server again")
        finally:
            link.close()


def test_a_model_is_read_no_further_than_its_bound(fake: FederationFake, server: Lwm2mServer) -> None:
    link = FederationLink(f"coap://127.0.0.1:{server.port}", FEDERATION, TOKEN)
    try:
        with pytest.raises(RefusedAnswer, match="longer than 3000 bytes"):
            link.model(1, "float32", 3000)
        assert [request.url.path for request in fake.came] == [f"{BASE}/rounds/1/model"]
        with pytest.raises(RefusedAnswer) as refused:
            link.model(7, "float32", 30_000)
        assert refused.value.slug == "stale_round"
    finally:
        link.close()


def test_the_file_of_the_model_does_not_come_over_coap(server: Lwm2mServer) -> None:
    with _plain(server) as site, pytest.raises(SiteRefused) as refused:
        site.trainable()
    assert "Give it with --model" in refused.value.remedy
