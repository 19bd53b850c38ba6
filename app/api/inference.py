"""Inference on a device: the device is asked while the caller waits."""

from app.api.dependencies import Endpoint, ServicesDep
from app.api.predictions import Given
from app.contract.binding import Handlers
from app.contract.models import DeviceInference, PredictionRequest

handlers = Handlers()


@handlers("inferOnDevice")
async def infer_on_device(services: ServicesDep, endpoint: Endpoint, body: Given) -> DeviceInference:
    """Its answers to instances or pictures."""
    with services.database.read() as session:
        services.devices.device(session, endpoint)  # 404 for one that never registered
    return await services.inference.run(endpoint, body.instances if isinstance(body, PredictionRequest) else body)
