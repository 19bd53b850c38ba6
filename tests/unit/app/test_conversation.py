"""The conversation of an update with its device, when the server itself cannot go on."""

import asyncio
from enum import StrEnum
from typing import Any, cast

from app.services.conversation import Conversation
from app.services.device_link import DeviceLink
from app.services.firmware_driver import FirmwareDriver, Outcome
from app.services.update_ledger import Evidence, UpdateLedger
from app.storage.tables import UpdateRow
from lwm2m.errors import Lwm2mError
from lwm2m.paths import Path
from lwm2m.registration import Registration
from lwm2m.update_progress import Finish, Started, UpdateState, finish
from lwm2m.update_record import Event, Failed, FirmwareUpdate, Operation


class Server:
    """What a conversation needs of the link and the ledger, for a device that is registered."""

    def __init__(self) -> None:
        self.row = UpdateRow(
            id="upd_0", endpoint="board", kind="fota", expected_version="2.0.0", delivery="push", state="pending"
        )
        self.row.bytes_total, self.row.bytes_sent, self.sent = 100, 0, 0
        self.endpoint, self.bridge = "board", self
        self.reason = ""

    def listen(self, _listener: object) -> Any:
        return lambda: None

    def uri(self, _registration: object) -> str:
        return "coap://host/package"

    async def registration(self) -> Registration:
        return Registration("r", self.endpoint, "127.0.0.1:4000", 60, registered_at=0.0, updated_at=0.0)

    async def read(self, _endpoint: str, _path: Path) -> object:
        raise Lwm2mError("the device does not answer")

    def save(self, update: FirmwareUpdate, **_: object) -> UpdateRow:
        self.row.machine = update.to_json()
        return self.row

    def load(self) -> UpdateRow:
        return self.row

    def end(self, update: FirmwareUpdate, _sent: int, _evidence: Evidence) -> None:
        self.reason = update.reason


class Driver(FirmwareDriver):
    """Pushes at once, and ends with the first failure."""

    def step(self, update: FirmwareUpdate, event: Event) -> tuple[FirmwareUpdate, tuple[StrEnum | Finish, ...]]:
        if isinstance(event, Failed):
            return finish(update, UpdateState.FAILED, event.reason)
        return update, (Operation.WRITE_PACKAGE,) if isinstance(event, Started) else ()

    async def carry_out(self, _link: DeviceLink, _operation: StrEnum, _update: FirmwareUpdate) -> Outcome:
        raise FileNotFoundError("/var/data/blobs/ab/abcd")


async def test_an_update_whose_package_the_server_has_lost_says_so_at_once_and_names_no_path() -> None:
    server = Server()
    conversation = Conversation(cast(DeviceLink, server), cast(UpdateLedger, server), Driver(), seconds=60.0)
    async with asyncio.timeout(10):
        await conversation.run()
    assert server.reason == "The server could not carry out write_package; its log says why."
