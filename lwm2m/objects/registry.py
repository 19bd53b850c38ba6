"""Looks up object models by number."""

from lwm2m.objects.board import BOARD
from lwm2m.objects.device import CONNECTIVITY_MONITORING, DEVICE
from lwm2m.objects.management import SECURITY, SERVER
from lwm2m.objects.model import ObjectModel, ResourceModel
from lwm2m.objects.update import FIRMWARE_UPDATE, SOFTWARE_MANAGEMENT

_OBJECTS = {
    model.id: model
    for model in (SECURITY, SERVER, DEVICE, CONNECTIVITY_MONITORING, FIRMWARE_UPDATE, SOFTWARE_MANAGEMENT, BOARD)
}


def known_objects() -> tuple[ObjectModel, ...]:
    """Every object model, by number."""
    return tuple(_OBJECTS[number] for number in sorted(_OBJECTS))


def find_object(object_id: int) -> ObjectModel | None:
    """The model of an object, or None when it is not known."""
    return _OBJECTS.get(object_id)


def find_resource(object_id: int, resource_id: int) -> ResourceModel | None:
    """The model of a resource, or None when it or its object is not known."""
    model = _OBJECTS.get(object_id)
    return model.resources.get(resource_id) if model else None
