"""Objects 1, 3, 4 and 19 as a device has them; Object 0 is in `bootstrap`, 5 and 9 are in modules of their own."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from lwm2m.client.tree import ClientResource, ObjectInstance
from lwm2m.errors import Refused
from lwm2m.messages import Code
from lwm2m.values import ResourceType, Value

SERVER_OBJECT = 1
DEVICE_OBJECT = 3
CONNECTIVITY_OBJECT = 4
CONTAINER_OBJECT = 19
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


@dataclass(frozen=True, slots=True)
class ServerControls:
    """What Object 1 offers beside the lifetime; each is asked at every read."""

    short_id: Callable[[], int] = lambda: SHORT_SERVER_ID
    binding: Callable[[], str] = lambda: "U"
    muted: Callable[[], bool] = lambda: False
    mute: Callable[[bool], None] | None = None
    bootstrap: Callable[[], None] | None = None


def server_object(
    lifetime: Callable[[], int],
    set_lifetime: Callable[[int], None],
    update_now: Callable[[], None],
    controls: ServerControls | None = None,
) -> ObjectInstance:
    """Object 1: the lifetime can be written, Send be muted, a registration update and a bootstrap be asked for."""
    controls = controls or ServerControls()

    async def write_lifetime(value: Value) -> None:
        if not isinstance(value, int) or not MIN_LIFETIME <= value <= MAX_LIFETIME:
            raise Refused(Code.BAD_REQUEST, f"the lifetime is {MIN_LIFETIME} to {MAX_LIFETIME} seconds")
        set_lifetime(value)

    async def trigger_update(_arguments: bytes) -> None:
        update_now()

    resources: dict[int, ClientResource] = {
        0: ClientResource(ResourceType.INTEGER, read=controls.short_id),
        1: ClientResource(ResourceType.INTEGER, read=lifetime, write=write_lifetime),
        6: constant(ResourceType.BOOLEAN, value=False),
        7: ClientResource(ResourceType.STRING, read=controls.binding),
        8: ClientResource(ResourceType.NONE, execute=trigger_update),
    }
    if controls.bootstrap is not None:
        ask = controls.bootstrap

        async def trigger_bootstrap(_arguments: bytes) -> None:
            ask()

        resources[9] = ClientResource(ResourceType.NONE, execute=trigger_bootstrap)
    if controls.mute is not None:
        mute = controls.mute

        async def write_mute(value: Value) -> None:
            mute(value is True)

        resources[23] = ClientResource(ResourceType.BOOLEAN, read=controls.muted, write=write_mute)
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


def connectivity_object(
    bearer: int, addresses: Callable[[], Mapping[int, str]], signal: Callable[[], int]
) -> ObjectInstance:
    """Object 4: over which bearer (41 Ethernet, 21 WLAN), with which addresses, and how well it is heard."""
    return ObjectInstance(
        CONNECTIVITY_OBJECT,
        0,
        {
            0: constant(ResourceType.INTEGER, bearer),
            1: ClientResource(ResourceType.INTEGER, read=lambda: {0: bearer}),
            2: ClientResource(ResourceType.INTEGER, read=signal),
            4: ClientResource(ResourceType.STRING, read=addresses),
        },
    )


def container_object(
    instance_id: int, data: Callable[[], Mapping[int, bytes]], write: Callable[[bytes], Awaitable[None]] | None = None
) -> ObjectInstance:
    """Object 19, BinaryAppDataContainer: opaque data between an application on the device and one on the server."""

    async def take(value: Value) -> None:
        if not isinstance(value, bytes) or write is None:
            raise Refused(Code.METHOD_NOT_ALLOWED, "this container is filled by the device")
        await write(value)

    return ObjectInstance(
        CONTAINER_OBJECT,
        instance_id,
        {0: ClientResource(ResourceType.OPAQUE, read=data, write=take if write is not None else None)},
    )


def constant(kind: ResourceType, value: Value) -> ClientResource:
    """A resource that can only be read and never changes."""
    return ClientResource(kind, read=lambda: value)
