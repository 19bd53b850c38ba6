"""Drift alarms."""

from typing import Annotated, Literal

from fastapi import Query

from app.api.dependencies import AlarmId, Cursor, EndpointQuery, Limit, ModelQuery, ServicesDep
from app.contract.binding import Handlers
from app.contract.models import Alarm, AlarmAcknowledgement, AlarmPage
from app.services.alarms import as_alarm

handlers = Handlers()

AlarmStateQuery = Annotated[Literal["open", "cleared"] | None, Query()]


@handlers("listAlarms")
def list_alarms(
    services: ServicesDep,
    cursor: Cursor = None,
    limit: Limit = 50,
    state: AlarmStateQuery = None,
    endpoint: EndpointQuery = None,
    model: ModelQuery = None,
) -> AlarmPage:
    """Newest first."""
    with services.database.read() as session:
        page = services.alarms.listing(session, cursor, limit, state=state, endpoint=endpoint, model=model)
    return AlarmPage(items=[as_alarm(row) for row in page.items], next_cursor=page.next_cursor)


@handlers("getAlarm")
def get_alarm(services: ServicesDep, alarm_id: AlarmId) -> Alarm:
    """One alarm."""
    with services.database.read() as session:
        return as_alarm(services.alarms.alarm(session, alarm_id))


@handlers("acknowledgeAlarm")
def acknowledge_alarm(services: ServicesDep, alarm_id: AlarmId, body: AlarmAcknowledgement) -> Alarm:
    """Somebody has seen it."""
    with services.database.write() as transaction:
        return as_alarm(services.alarms.acknowledge(transaction, alarm_id, body.note))
