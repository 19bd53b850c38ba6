"""Training on a board: the device is asked while the caller waits."""

from fastapi import Response
from starlette.concurrency import run_in_threadpool

from app.api.dependencies import Endpoint, ServicesDep
from app.contract.binding import Handlers
from app.contract.models import DeviceTraining, TeachRequest
from app.services.container import Services

handlers = Handlers()


@handlers("getDeviceTraining")
async def get_device_training(services: ServicesDep, endpoint: Endpoint) -> DeviceTraining:
    """What it says of its training, now."""
    await run_in_threadpool(_known, services, endpoint)
    return await services.teaching.shown(endpoint)


@handlers("teachDevice")
async def teach_device(services: ServicesDep, endpoint: Endpoint, body: TeachRequest) -> DeviceTraining:
    """Labelled samples for it."""
    await run_in_threadpool(_known, services, endpoint)
    return await services.teaching.teach(endpoint, body.instances, body.labels)


@handlers("forgetDeviceSamples")
async def forget_device_samples(services: ServicesDep, endpoint: Endpoint) -> Response:
    """It holds none any more."""
    await run_in_threadpool(_known, services, endpoint)
    await services.teaching.forget(endpoint)
    return Response(status_code=204)


def _known(services: Services, endpoint: str) -> None:
    """404 for a device that never registered, rather than 409 for one that is not registered now."""
    with services.database.read() as session:
        services.devices.device(session, endpoint)
