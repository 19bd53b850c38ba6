"""What registered over LwM2M, and what it runs."""

from app.api.dependencies import Cursor, Endpoint, Limit, ServicesDep
from app.contract.binding import Handlers
from app.contract.models import Device, DevicePage, EventPage
from app.services.events import as_event

handlers = Handlers()


@handlers("listDevices")
def list_devices(services: ServicesDep, cursor: Cursor = None, limit: Limit = 50) -> DevicePage:
    """Devices by endpoint."""
    with services.database.read() as session:
        page = services.devices.listing(session, cursor, limit)
        items = [services.devices.as_device(session, row) for row in page.items]
    return DevicePage(items=items, next_cursor=page.next_cursor)


@handlers("getDevice")
def get_device(services: ServicesDep, endpoint: Endpoint) -> Device:
    """One device."""
    with services.database.read() as session:
        return services.devices.as_device(session, services.devices.device(session, endpoint))


@handlers("getDeviceHistory")
def get_device_history(
    services: ServicesDep, endpoint: Endpoint, cursor: Cursor = None, limit: Limit = 50
) -> EventPage:
    """What happened to it, newest first."""
    with services.database.read() as session:
        page = services.devices.history(session, endpoint, cursor, limit)
    return EventPage(items=[as_event(row) for row in page.items], next_cursor=page.next_cursor)
