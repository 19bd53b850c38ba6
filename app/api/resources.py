"""Resources of devices: the device is asked while the caller waits."""

from fastapi import Response

from app.api.dependencies import KnownEndpoint, ResourcePath, ServicesDep
from app.contract.binding import Handlers
from app.contract.models import ResourceExecution, ResourceValues, ResourceWrite, ResourceWritten

handlers = Handlers()


@handlers("readResource")
async def read_resource(services: ServicesDep, endpoint: KnownEndpoint, path: ResourcePath) -> ResourceValues:
    """What is there, now."""
    return await services.resources.read(endpoint, path)


@handlers("writeResource")
async def write_resource(
    services: ServicesDep, endpoint: KnownEndpoint, path: ResourcePath, body: ResourceWrite
) -> ResourceWritten:
    """Write one resource."""
    await services.resources.write(endpoint, path, body)
    return ResourceWritten(endpoint=endpoint, path=f"/{path}")


@handlers("executeResource")
async def execute_resource(
    services: ServicesDep, endpoint: KnownEndpoint, path: ResourcePath, body: ResourceExecution
) -> ResourceWritten:
    """Execute one resource."""
    await services.resources.execute(endpoint, path, body.arguments)
    return ResourceWritten(endpoint=endpoint, path=f"/{path}")


@handlers("observeResource")
async def observe_resource(services: ServicesDep, endpoint: KnownEndpoint, path: ResourcePath) -> ResourceValues:
    """What is there, and what becomes of it, as events."""
    return await services.resources.observe(endpoint, path)


@handlers("cancelObservation")
async def cancel_observation(services: ServicesDep, endpoint: KnownEndpoint, path: ResourcePath) -> Response:
    """No events of it any more."""
    await services.resources.cancel(endpoint, path)
    return Response(status_code=204)
