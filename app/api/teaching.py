"""Training on a board: the device is asked while the caller waits."""

from fastapi import Response

from app.api.dependencies import KnownEndpoint, ServicesDep
from app.contract.binding import Handlers
from app.contract.models import DeviceTraining, TeachRequest

handlers = Handlers()


@handlers("getDeviceTraining")
async def get_device_training(services: ServicesDep, endpoint: KnownEndpoint) -> DeviceTraining:
    """What it says of its training, now."""
    return await services.teaching.shown(endpoint)


@handlers("teachDevice")
async def teach_device(services: ServicesDep, endpoint: KnownEndpoint, body: TeachRequest) -> DeviceTraining:
    """Labelled samples for it."""
    return await services.teaching.teach(endpoint, body.instances, body.labels)


@handlers("forgetDeviceSamples")
async def forget_device_samples(services: ServicesDep, endpoint: KnownEndpoint) -> Response:
    """It holds none any more."""
    await services.teaching.forget(endpoint)
    return Response(status_code=204)
