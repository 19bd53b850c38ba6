"""Resources of devices: the device is asked while the caller waits."""

from fastapi import Response

from app.api.dependencies import Endpoint, ResourcePath, ServicesDep
from app.contract.binding import Handlers
from app.contract.models import ResourceExecution, ResourceValues, ResourceWrite, ResourceWritten
from app.services.container import Services

handlers = Handlers()


@handlers("readResource")
async def read_resource(services: ServicesDep, endpoint: Endpoint, path: ResourcePath) -> ResourceValues:
    """What is there, now."""
    _known(services, endpoint)
    return await services.resources.read(endpoint, path)


@handlers("writeResource")
async def write_resource(
    services: ServicesDep, endpoint: Endpoint, path: ResourcePath, body: ResourceWrite
) -> ResourceWritten:
    """Write one resource."""
    _known(services, endpoint)
    await services.resources.write(endpoint, path, body)
    return ResourceWritten(endpoint=endpoint, path=f"/{path}")


@handlers("executeResource")
async def execute_resource(
    services: ServicesDep, endpoint: Endpoint, path: ResourcePath, body: ResourceExecution
) -> ResourceWritten:
    """Execute one resource."""
    _known(services, endpoint)
    await services.resources.execute(endpoint, path, body.arguments)
    return ResourceWritten(endpoint=endpoint, path=f"/{path}")


@handlers("observeResource")
async def observe_resource(services: ServicesDep, endpoint: Endpoint, path: ResourcePath) -> ResourceValues:
    """What is there, and what becomes of it, as events."""
    _known(services, endpoint)
    return await services.resources.observe(endpoint, path)


@handlers("cancelObservation")
async def cancel_observation(services: ServicesDep, endpoint: Endpoint, path: ResourcePath) -> Response:
    """No events of it any more."""
    _known(services, endpoint)
    await services.resources.cancel(endpoint, path)
    return Response(status_code=204)


def _known(services: Services, endpoint: str) -> None:
    """404 for a device that never registered, rather than 409 for one that is not registered now."""
    with services.database.read() as session:
        services.devices.device(session, endpoint)
