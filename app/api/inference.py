"""Inference on a device: the device is asked while the caller waits."""

from app.api.dependencies import KnownEndpoint, ServicesDep
from app.api.predictions import Given
from app.contract.binding import Handlers
from app.contract.models import DeviceInference, PredictionRequest

handlers = Handlers()


@handlers("inferOnDevice")
async def infer_on_device(services: ServicesDep, endpoint: KnownEndpoint, body: Given) -> DeviceInference:
    """Its answers to instances or pictures."""
    return await services.inference.run(endpoint, body.instances if isinstance(body, PredictionRequest) else body)
