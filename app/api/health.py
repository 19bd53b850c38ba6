"""Is the server alive, is it ready."""

from fastapi import Response

from app.api.dependencies import ServicesDep
from app.contract.binding import Handlers
from app.contract.models import Health, Readiness

handlers = Handlers()


@handlers("getHealth")
def get_health(services: ServicesDep) -> Health:
    """The process is alive."""
    return Health(status="alive", version=services.health.version)


@handlers("getReadiness")
def get_readiness(services: ServicesDep, response: Response) -> Readiness:
    """Every part answers."""
    readiness = services.health.readiness()
    response.status_code = 200 if readiness.ready else 503
    return readiness
