"""A fleet of simulated devices: started at a rate, told from each other by a seed, counted."""

import asyncio
import random
import resource
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from lwm2m.client import Settings
from lwm2m.client.connection import Psk
from lwm2m.errors import BadRequest
from lwm2m.simulator.device import Profile, SimulatedDevice
from lwm2m.simulator.faults import Fault

FILES_BESIDE_DEVICES = 128
STOPS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Counts:
    """Where a fleet stands."""

    devices: int
    registered: int
    faulty: int
    versions: dict[str, int] = field(default_factory=dict)
    model_versions: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        events = " ".join(f"{name}={number}" for name, number in sorted(self.events.items()))
        versions = " ".join(f"{name or '-'}:{number}" for name, number in sorted(self.versions.items()))
        return f"registered {self.registered}/{self.devices} faulty {self.faulty} versions {versions} {events}".rstrip()


class Simulator:
    """An async context manager: devices start to register on entering and de-register on leaving.

    A share of the devices has one of the faults each; which one, and everything random, follows from the seed.
    `queue` puts them in queue mode: awake for so many seconds after each message. `rate` is how many start in a second.
    `key` is every device's key for a coaps:// server; its identity is its endpoint.
    """

    def __init__(
        self,
        server: str,
        count: int,
        *,
        faults: Sequence[Fault] = (),
        share: float = 1.0,
        seed: int = 0,
        queue: float | None = None,
        lifetime: int = 300,
        prefix: str = "sim",
        rate: float = 200.0,
        profile: Profile | None = None,
        key: bytes | None = None,
        bind: str = "127.0.0.1",
    ) -> None:
        self._rate = rate
        self._runs: list[asyncio.Task[None]] = []
        self._starting: asyncio.Task[None] | None = None
        self.devices: list[SimulatedDevice] = []
        for number in range(count):
            chance = random.Random(f"{seed}:{number}")  # noqa: S311 - repeatable on purpose
            fault = chance.choice(faults) if faults and chance.random() < share else None
            endpoint = f"{prefix}-{number:05d}"
            psk = Psk(endpoint, key) if key is not None else None
            settings = Settings(server, endpoint, lifetime, bind, psk=psk, awake_seconds=queue)
            self.devices.append(SimulatedDevice(settings, profile or Profile(), fault, f"{seed}:{number}:device"))

    async def __aenter__(self) -> Self:
        _allow_files(len(self.devices) + FILES_BESIDE_DEVICES)
        self._starting = asyncio.create_task(self._start())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        for run in self._runs:
            run.cancel()
        await asyncio.gather(*self._runs, return_exceptions=True)
        at_once = asyncio.Semaphore(STOPS_AT_ONCE)

        async def stop(device: SimulatedDevice) -> None:
            async with at_once:
                await device.stop()

        await asyncio.gather(*(stop(device) for device in self.devices))

    async def _start(self) -> None:
        began = time.monotonic()
        for number, device in enumerate(self.devices):
            await asyncio.sleep(max(0.0, began + number / self._rate - time.monotonic()))
            await device.start()
            self._runs.append(asyncio.create_task(device.run(), name=device.settings.endpoint))

    async def all_registered(self, timeout: float) -> bool:  # noqa: ASYNC109 - polls: a deadline of its own is simpler
        """Wait until every device is registered at one time; whether that came true in so many seconds."""
        deadline = time.monotonic() + timeout
        while self.registered < len(self.devices):
            self.check()
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.05)
        return True

    @property
    def registered(self) -> int:
        """How many devices are registered now."""
        return sum(device.registered for device in self.devices)

    def check(self) -> None:
        """Raise what ended a device, or the start, unexpectedly: a defect of the simulator."""
        for task in (*self._runs, *([self._starting] if self._starting is not None else [])):
            if task.done() and not task.cancelled():
                task.result()

    def counts(self) -> Counts:
        """Where the fleet stands."""
        events: Counter[str] = sum((device.counts for device in self.devices), Counter())
        events["missed"] = sum(
            device.client.connection.sleep.missed for device in self.devices if device.client and device.client.is_open
        )
        return Counts(
            devices=len(self.devices),
            registered=self.registered,
            faulty=sum(device.fault is not None for device in self.devices),
            versions=dict(Counter(device.version for device in self.devices)),
            model_versions=dict(Counter(device.model_version for device in self.devices)),
            events={name: number for name, number in events.items() if number},
        )


def _allow_files(needed: int) -> None:
    """Raise the soft limit of open files: each device has a socket."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if needed <= soft:
        return
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise BadRequest(f"{needed} open files are needed and {hard} allowed: simulate fewer devices, or ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
