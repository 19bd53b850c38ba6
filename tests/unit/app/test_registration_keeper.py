"""What devices do is written down in its order, to the last of it, also when the server stops."""

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from app.devices import RegistrationKeeper
from lwm2m.events import Awake


class Bridge:
    def listen(self, heard: Callable[[Any], None]) -> Callable[[], None]:
        self.heard = heard
        return lambda: None


async def test_what_was_heard_before_the_stop_is_written_one_after_the_other() -> None:
    written: list[str] = []
    at_once = most = 0

    def handle(event: Awake) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        time.sleep(0.02)
        written.append(event.endpoint)
        at_once -= 1

    bridge = Bridge()
    async with RegistrationKeeper(cast("Any", bridge), cast("Any", SimpleNamespace(handle=handle))):
        bridge.heard(Awake("first"))
        await asyncio.sleep(0)  # it is in the writer's hands, and no thread may have begun with it
        for endpoint in ("second", "third"):
            bridge.heard(Awake(endpoint))
    assert (written, most) == (["first", "second", "third"], 1)
