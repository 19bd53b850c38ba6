"""What is written down of a device when its words come in another order than they were asked for."""

from pathlib import Path

from app.services.device_reading import DeviceIdentity
from app.services.devices import DeviceService
from app.storage.database import Database
from lwm2m.events import Registered
from lwm2m.registration import Registration

BEFORE, AFTER = "a" * 64, "b" * 64


def registration(number: int) -> Registration:
    return Registration(
        id=f"r{number}", endpoint="board-1", address="127.0.0.1:4000", lifetime=60, registered_at=0.0, updated_at=0.0
    )


def test_what_a_device_said_before_it_registered_anew_does_not_overwrite_what_it_says_now(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'rows.sqlite3'}")
    database.migrate()
    devices = DeviceService(database)
    old, new = registration(1), registration(2)
    devices.handle(Registered(old, None))
    devices.handle(Registered(new, old))

    devices.reported(new, DeviceIdentity(firmware_version="2.0.0", abi=AFTER))
    devices.reported(old, DeviceIdentity(firmware_version="1.0.0", abi=BEFORE))

    with database.read() as session:
        told = devices.as_device(session, devices.device(session, "board-1"))
    assert (told.firmware_version, told.abi) == ("2.0.0", AFTER)
    database.close()
