"""Resources of devices: read, write, execute and observe, as people and programs ask over HTTP."""

import math
from collections.abc import Awaitable, Callable

from app.contract import models as api
from app.errors import Conflict, Invalid, Upstream, of_device
from lwm2m.bridge import DeviceBridge
from lwm2m.codecs import ContentFormat, encode
from lwm2m.downlink import Response
from lwm2m.errors import CodecError, Lwm2mError, PathError
from lwm2m.nodes import Leaf, flatten, node_for
from lwm2m.objects import find_resource
from lwm2m.paths import Path
from lwm2m.values import ObjectLink, ResourceType, Value, check_value


class ResourceService:
    """Use cases of a device's resources; nothing is stored, the device is asked."""

    def __init__(self, bridge: DeviceBridge, settled: Callable[[], Awaitable[None]]) -> None:
        self._bridge = bridge
        self._settled = settled

    async def read(self, endpoint: str, path: str) -> api.ResourceValues:
        """What is at a path, now."""
        return await self._values(endpoint, path, observe=False)

    async def observe(self, endpoint: str, path: str) -> api.ResourceValues:
        """What is at a path, now; changes become events."""
        values = await self._values(endpoint, path, observe=True)
        await self._settled()  # an observation that was promised outlives a kill
        return values

    async def cancel(self, endpoint: str, path: str) -> None:
        """Observe no more; the device is told."""
        where = _path(path)
        try:
            answer = await self._bridge.cancel_observe(endpoint, where, active=True)
        except Lwm2mError as error:
            raise of_device(error) from error
        if answer is None:
            raise Conflict(
                "not_observed", f"{where} of {endpoint} is not observed.", "Observe it first, with PUT.", "path"
            )

    async def write(self, endpoint: str, path: str, request: api.ResourceWrite) -> None:
        """Write one resource."""
        where = _path(path)
        if where.level < 3:
            raise Invalid("not_a_resource", f"{where} is no resource.", "Write object/instance/resource.", "path")
        known = find_resource(where.ids[0], where.ids[2])
        kind = ResourceType(request.type) if request.type else known.type if known else None
        if kind is None:
            raise Invalid("type_unknown", f"The type of {where} is not known.", "Give `type`.", "body.type")
        try:
            node = node_for(where, _value(kind, request.value), kind)
            encode(where, node, ContentFormat.TLV)  # refuses here what the device could not be sent
        except CodecError as error:
            raise Invalid("bad_value", str(error), f"{where} takes a value of type {kind}.", "body.value") from error
        try:
            _require(await self._bridge.write(endpoint, where, node))
        except Lwm2mError as error:
            raise of_device(error) from error

    async def execute(self, endpoint: str, path: str, arguments: str) -> None:
        """Execute one resource."""
        where = _path(path)
        if where.level != 3:
            raise Invalid("not_a_resource", f"{where} cannot be executed.", "Execute object/instance/resource.", "path")
        try:
            _require(await self._bridge.execute(endpoint, where, arguments))
        except Lwm2mError as error:
            raise of_device(error) from error

    async def _values(self, endpoint: str, path: str, *, observe: bool) -> api.ResourceValues:
        where = _path(path)
        ask = self._bridge.observe if observe else self._bridge.read
        try:
            content = _require(await ask(endpoint, where)).content
        except Lwm2mError as error:
            raise of_device(error) from error
        leaves = [] if content is None else flatten(where, content)
        return api.ResourceValues(endpoint=endpoint, values=[as_value(leaf) for leaf in leaves])


def as_value(leaf: Leaf) -> api.ResourceValue:
    """A value as the API shows it."""
    known = find_resource(leaf.path.ids[0], leaf.path.ids[2]) if leaf.path.level >= 3 else None
    return api.ResourceValue(
        path=str(leaf.path), name=known.name if known else None, type=leaf.type.value, value=_shown(leaf.value)
    )


def _path(text: str) -> Path:
    try:
        return Path.parse(f"/{text}")
    except PathError as error:
        raise Invalid("bad_path", str(error), "Write it as 3/0/3, numbers up to 65534.", "path") from error


def _require(response: Response) -> Response:
    if response.success:
        return response
    code = f"{response.code >> 5}.{response.code & 31:02d}"
    said = f": {response.diagnostic}" if response.diagnostic else ""
    raise Upstream(
        502,
        "device_refused",
        f"The device answered {code}{said}.",
        "4.01 and 4.05: it does not allow this; 4.04: it has no such path; see its object links.",
        "path",
    )


def _value(kind: ResourceType, value: object) -> Value:
    if kind is ResourceType.OPAQUE and isinstance(value, str):
        try:
            return bytes.fromhex(value)
        except ValueError as error:
            raise CodecError("an opaque value is written in hex") from error
    if kind is ResourceType.OBJLNK and isinstance(value, str):
        return ObjectLink.parse(value)
    return check_value(kind, value)


def _shown(value: Value) -> str | int | float | bool | None:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, ObjectLink):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no other word for it
    return value
