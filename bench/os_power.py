"""Power is lost again and again during updates of the device OS, and every board must come back by itself.

Three parts: the core on this machine, power cut at every single operation of the flash in a whole firmware update and
a whole model update; the same with a second cut somewhere after the first; and boards under QEMU, killed at random
moments while a real server updates firmware and model in turn. Run: python bench/os_power.py [--kills 500] [--seed 1]
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path as Folder

sys.path.insert(0, str(Folder(__file__).parents[1]))

from edge.os_board import HOST, OsBoard
from lwm2m.errors import Lwm2mError
from lwm2m.nodes import Resource
from lwm2m.paths import Path
from lwm2m.server import Lwm2mServer
from tests.support.os_core import Core, Image, a_model, compile_core, make_key
from tests.support.os_core.firmware import Build, build, provisioning

SECOND_WITHIN = 100
BOARDS = 4
ANSWER_SECONDS = 5.0
PUSH_SECONDS = 30.0
RETURN_SECONDS = 90.0


def cut_everywhere(folder: Folder) -> None:
    """Both kinds of update, each operation."""
    core = Core(compile_core(folder, sanitize=False), folder, make_key())
    packages = {"firmware": Image(padding=20_000), "a": a_model(padding=20_000), "b": a_model(slot="model-b")}
    for target, image in packages.items():
        for second in (0, SECOND_WITHIN):
            begin = time.monotonic()
            end = core.cut_power(image.signed(core.key), target, second=second)
            print(
                f"{target:<9} {'two cuts' if second else 'one cut ':<9} operations {end['operations']:>5}  "
                f"boards lost {end['lost boards']}  most starts {end['most lives']}  {time.monotonic() - begin:.0f} s",
                flush=True,
            )


@dataclass
class Tally:
    """What happened to all boards."""

    kills: int = 0
    firmware: int = 0
    models: int = 0
    given_up: int = 0
    slowest_return: float = 0.0
    log: list[str] = field(default_factory=list)


class Lost(Exception):
    """A board that did not come back."""


class Driver:
    """One board, its updates, and the one who cuts its power."""

    def __init__(self, server: Lwm2mServer, board: OsBoard, name: str, builds: tuple[Build, Build], seed: int) -> None:
        self._server = server
        self._board = board
        self._name = name
        self._builds = builds
        self._random = random.Random(seed)  # noqa: S311 - moments, not secrets
        self._number = 0

    async def read(self, path: str) -> object:
        """The value, or None while the board does not answer."""
        try:
            content = (await self._server.read(self._name, Path.parse(path), timeout=ANSWER_SECONDS)).content
        except (Lwm2mError, TimeoutError, OSError):
            return None
        return content.value if isinstance(content, Resource) else None

    async def act(self, path: str, package: bytes | None = None) -> None:
        """A push or an execution; that it fails when power is lost is the point."""
        try:
            if package is None:
                await self._server.execute(self._name, Path.parse(path), timeout=ANSWER_SECONDS)
            else:
                async with asyncio.timeout(PUSH_SECONDS):
                    await self._server.push(self._name, Path.parse(path), package)
        except (Lwm2mError, TimeoutError, OSError):
            pass

    async def update_for_ever(self) -> None:
        """Firmware and models in turn; what to do next is read off the board."""
        key = make_key()
        while self._board.powered:  # a cancellation that a library swallows ends here
            self._number += 1
            made = self._builds[self._number % 2]
            version = f"1.{self._number % 250}.0+{self._number}"
            if self._number % 2:
                await self.act("/5/0/0", made.signed(key, version=version))
                if await self.read("/5/0/3") == 2:
                    await self.act("/5/0/2")
                    await asyncio.sleep(2)
            else:
                instance, slot = (1, "model-b") if await self.read("/26241/0/6") == "a" else (0, "model-a")
                await self.act(f"/9/{instance}/2", made.signed(key, slot, version))
                await asyncio.sleep(0.3)
                await self.act(f"/9/{instance}/4")
                await asyncio.sleep(0.3)
                await self.act(f"/9/{instance}/10")

    async def come_back(self) -> float:
        """Seconds until the board answers in a final state; Lost when it does not."""
        begin = time.monotonic()
        while time.monotonic() - begin < RETURN_SECONDS:
            if await self.read("/5/0/3") in {0, 1, 2}:
                return time.monotonic() - begin
            await asyncio.sleep(0.1)
        raise Lost(f"{self._name} did not come back:\n" + "\n".join(self._board.console()[-20:]))

    async def suffer(self, kills: int, tally: Tally) -> None:
        """Kill the board so often, each time somewhere in an update."""
        for _kill in range(kills):
            await self._board.start()
            tally.slowest_return = max(tally.slowest_return, await self.come_back())
            if await self.read("/26241/0/0"):
                result = await self.read("/5/0/5")
                tally.firmware += result == 1
                tally.given_up += result == 8
                tally.models += await self.read("/26241/0/6") in {"a", "b"}
            updates = asyncio.create_task(self.update_for_ever())
            await asyncio.sleep(self._random.uniform(0.05, 4.0))
            await self._board.cut()
            tally.kills += 1
            updates.cancel()
            await asyncio.gather(updates, return_exceptions=True)
        await self._board.start()
        await self.come_back()
        await self._board.cut()


async def kill_boards(folder: Folder, kills: int, seed: int) -> Tally:
    """Several boards at once, one server."""
    builds = (build(folder / "sine", "hello-world-sine"), build(folder / "digits", "digits-cnn"))
    tally = Tally()
    async with Lwm2mServer(port=0) as server:
        drivers = []
        for number in range(BOARDS):
            page = provisioning(make_key(), f"coap://{HOST}:{server.port}", endpoint=f"board-{number}", lifetime_s=60)
            board = OsBoard(folder / f"board-{number}")
            board.manufacture(builds[0].bootloader, builds[0].signed(make_key()), page)
            drivers.append(Driver(server, board, f"board-{number}", builds, seed + number))
        await asyncio.gather(*(driver.suffer(kills // BOARDS, tally) for driver in drivers))
    return tally


def main() -> int:
    """All parts; 1 when a board was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500, help="of boards under QEMU (0: only the core)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="os-power-") as temporary:
        folder = Folder(temporary)
        try:
            cut_everywhere(folder)
            if options.kills:
                tally = asyncio.run(kill_boards(folder, options.kills, options.seed))
                print(
                    f"QEMU      {tally.kills} kills of {BOARDS} boards, none lost; seen after a kill: firmware kept "
                    f"{tally.firmware}, firmware given up {tally.given_up}, model of a slot running {tally.models}; "
                    f"slowest return {tally.slowest_return:.1f} s"
                )
        except (AssertionError, Lost) as problem:
            print(problem, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
