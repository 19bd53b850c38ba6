"""A device of the tests that takes part in a federation, with samples of its own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from app.cli.federation_sites import HttpSite, OpenSite
from tests.support.federation_fake import FEDERATION, TOKEN, FederationFake
from tests.support.trainable_digits import pictures
from zoo.federated.device_client import Ended, FederatedClient, Part, Patience, Settings
from zoo.federated.device_state import ClientState
from zoo.federated.documents import Form
from zoo.training.on_device.budget import Budget
from zoo.training.on_device.samples import Samples
from zoo.training.on_device.trainer import LiteRtTrainer


@dataclass
class Device:
    """One client, with a clock that only sleeping moves; over the fake's HTTP, or what `way` opens."""

    fake: FederationFake
    folder: Path
    rows: slice = field(default_factory=lambda: slice(0, 160))
    token: str = TOKEN
    way: Callable[[], OpenSite] | None = None
    now: float = 0.0
    told: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    @property
    def state(self) -> ClientState:
        return ClientState(self.folder)

    def run(
        self,
        *,
        form: Form = "float32",
        rounds: int | None = None,
        patience: float | None = None,
        checkpoint_seconds: float = 10.0,
        budget: Budget | None = None,
    ) -> Ended:
        trainer = LiteRtTrainer(self.fake.model)
        x, y = pictures(self.rows, turned=True)
        given = trainer.document.samples(x)
        own = Samples(given, trainer.document.targets(y, given))
        waiting = Patience(self.told.append, patience, self.sleep, lambda: self.now)
        settings = Settings(form, rounds=rounds, checkpoint_seconds=checkpoint_seconds)
        with (
            self._open() as site,
            self.state.held(FEDERATION),
        ):
            client = FederatedClient(
                site, trainer, own, self.state, settings, budget or Budget(), waiting, self.parts.append
            )
            return client.run()

    def _open(self) -> OpenSite:
        if self.way is not None:
            return self.way()
        return HttpSite("http://server", FEDERATION, self.token, httpx.MockTransport(self.fake.handle))

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        assert len(self.slept) < 1000, "it waits for ever"
