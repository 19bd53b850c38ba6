"""Objects 1 and 3 as every device has them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from lwm2m.client.tree import ClientResource, ObjectInstance
from lwm2m.errors import Refused
from lwm2m.messages import Code
from lwm2m.values import ResourceType, Value

SERVER_OBJECT = 1
DEVICE_OBJECT = 3
SHORT_SERVER_ID = 1
MIN_LIFETIME, MAX_LIFETIME = 3, 7 * 86400


@dataclass(frozen=True, slots=True)
class Device:
    """What Object 3 says; the callables are asked at each read."""

    manufacturer: str
    model: str
    serial: str
    device_type: str
    firmware_version: Callable[[], str]
    reboot: Callable[[], Awaitable[None]]


def server_object(
    lifetime: Callable[[], int], set_lifetime: Callable[[int], None], update_now: Callable[[], None]
) -> ObjectInstance:
    """Object 1: the lifetime can be written, and a registration update asked for."""

    async def write_lifetime(value: Value) -> None:
        if not isinstance(value, int) or not MIN_LIFETIME <= value <= MAX_LIFETIME:
            raise Refused(Code.BAD_REQUEST, f"the lifetime is {MIN_LIFETIME} to {MAX_LIFETIME} seconds")
        set_lifetime(value)

    async def trigger_update(_arguments: bytes) -> None:
        update_now()

    resources: Mapping[int, ClientResource] = {
        0: constant(ResourceType.INTEGER, SHORT_SERVER_ID),
        1: ClientResource(ResourceType.INTEGER, read=lifetime, write=write_lifetime),
        6: constant(ResourceType.BOOLEAN, value=False),
        7: constant(ResourceType.STRING, "U"),
        8: ClientResource(ResourceType.NONE, execute=trigger_update),
    }
    return ObjectInstance(SERVER_OBJECT, 0, resources)


def device_object(device: Device) -> ObjectInstance:
    """Object 3: who the device is and what it runs."""

    async def reboot(_arguments: bytes) -> None:
        await device.reboot()

    return ObjectInstance(
        DEVICE_OBJECT,
        0,
        {
            0: constant(ResourceType.STRING, device.manufacturer),
            1: constant(ResourceType.STRING, device.model),
            2: constant(ResourceType.STRING, device.serial),
            3: ClientResource(ResourceType.STRING, read=device.firmware_version),
            4: ClientResource(ResourceType.NONE, execute=reboot),
            11: ClientResource(ResourceType.INTEGER, read=lambda: {0: 0}),
            16: constant(ResourceType.STRING, "U"),
            17: constant(ResourceType.STRING, device.device_type),
        },
    )


def constant(kind: ResourceType, value: Value) -> ClientResource:
    """A resource that can only be read and never changes."""
    return ClientResource(kind, read=lambda: value)
