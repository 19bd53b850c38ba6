"""Drift monitors: which version is watched, and what the devices that run it look like."""

from typing import Annotated

from fastapi import Query, Response

from app.api.dependencies import Cursor, Endpoint, IdempotencyKey, Limit, ModelQuery, MonitorId, ServicesDep
from app.contract.binding import Handlers
from app.contract.models import DriftDevicePage, DriftMonitor, DriftMonitorPage, DriftMonitorRequest, DriftWindows

handlers = Handlers()


@handlers("listDriftMonitors")
def list_drift_monitors(
    services: ServicesDep, cursor: Cursor = None, limit: Limit = 50, model: ModelQuery = None
) -> DriftMonitorPage:
    """Newest first."""
    with services.database.read() as session:
        page = services.drift.listing(session, cursor, limit, model)
        items = [services.drift.as_monitor(session, row) for row in page.items]
    return DriftMonitorPage(items=items, next_cursor=page.next_cursor)


@handlers("createDriftMonitor")
def create_drift_monitor(
    services: ServicesDep,
    body: DriftMonitorRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - KeyedRoute acts on it; here it is validated
) -> DriftMonitor:
    """Watch a version."""
    with services.database.write() as transaction:
        row = services.drift.create(transaction, body)
        monitor = services.drift.as_monitor(transaction.session, row)
    response.headers["Location"] = f"/v1/drift-monitors/{monitor.id}"
    return monitor


@handlers("getDriftMonitor")
def get_drift_monitor(services: ServicesDep, monitor_id: MonitorId) -> DriftMonitor:
    """One monitor."""
    with services.database.read() as session:
        return services.drift.as_monitor(session, services.drift.monitor(session, monitor_id))


@handlers("deleteDriftMonitor")
def delete_drift_monitor(services: ServicesDep, monitor_id: MonitorId) -> Response:
    """Watch no more."""
    with services.database.write() as transaction:
        services.drift.remove(transaction, monitor_id)
    return Response(status_code=204)


@handlers("listDriftDevices")
def list_drift_devices(
    services: ServicesDep, monitor_id: MonitorId, cursor: Cursor = None, limit: Limit = 50
) -> DriftDevicePage:
    """Who told it of inferences."""
    with services.database.read() as session:
        page = services.drift.devices(session, monitor_id, cursor, limit)
        items = [services.drift.as_device(session, row) for row in page.items]
    return DriftDevicePage(items=items, next_cursor=page.next_cursor)


@handlers("getDriftWindows")
def get_drift_windows(services: ServicesDep, monitor_id: MonitorId, endpoint: Endpoint) -> DriftWindows:
    """A device's newest windows."""
    with services.database.read() as session:
        return services.drift.as_windows(session, services.drift.device(session, monitor_id, endpoint))


@handlers("getDriftPicture")
def get_drift_picture(
    services: ServicesDep,
    monitor_id: MonitorId,
    endpoint: Endpoint,
    window: Annotated[int | None, Query(ge=1, le=2147483647)] = None,
) -> Response:
    """A window against the reference."""
    with services.database.read() as session:
        drawn = services.drift.picture(session, monitor_id, endpoint, window)
    return Response(drawn, media_type="image/svg+xml")
