"""Finds object models by number and version."""

from collections.abc import Iterable
from typing import Self

from lwm2m.objects import data, device, ipso, management, update
from lwm2m.objects.board import BOARD, INFERENCE, TRAINING
from lwm2m.objects.model import ObjectModel, ResourceModel

# The version of an object that a device means when it registers the object without one, by the version of LwM2M that
# it speaks (Core 1.2.2, table E-1; 1.1.1 for LwM2M 1.1); every object that is not listed is 1.0.
_IMPLIED_VERSIONS = {
    "1.1": {0: "1.1", 1: "1.1", 3: "1.1", 4: "1.2"},
    "1.2": {0: "1.2", 1: "1.2", 2: "1.1", 3: "1.2", 4: "1.3", 5: "1.1", 21: "2.0"},
}


class ObjectRegistry:
    """Object models, several versions of an object among them. Immutable: `extended` makes a larger one."""

    def __init__(self, models: Iterable[ObjectModel] = ()) -> None:
        self._versions: dict[int, dict[str, ObjectModel]] = {}
        for model in models:
            self._versions.setdefault(model.id, {})[model.version] = model
        self._usual = {number: next(iter(versions.values())) for number, versions in self._versions.items()}

    def extended(self, models: Iterable[ObjectModel]) -> Self:
        """This registry and more models; one of the same number and version replaces the one that is here."""
        return type(self)((*self.all_versions(), *models))

    def all_versions(self) -> tuple[ObjectModel, ...]:
        """Every model, an object's usual version before its others."""
        return tuple(model for versions in self._versions.values() for model in versions.values())

    def known_objects(self) -> tuple[ObjectModel, ...]:
        """The usual version of every object, by number."""
        return tuple(self._usual[number] for number in sorted(self._usual))

    def find_object(self, object_id: int, version: str | None = None) -> ObjectModel | None:
        """The model of an object in a version, or in the usual one: the first that the registry was given."""
        if version is None:
            return self._usual.get(object_id)
        return self._versions.get(object_id, {}).get(version)

    def find_resource(self, object_id: int, resource_id: int) -> ResourceModel | None:
        """The model of a resource, from the usual version of its object unless only another one has it."""
        usual = self._usual.get(object_id)
        if usual is None:
            return None
        found = usual.resources.get(resource_id)
        if found is not None:
            return found
        others = (model.resources.get(resource_id) for model in self._versions[object_id].values())
        return next((resource for resource in others if resource is not None), None)


STANDARD = ObjectRegistry(
    (
        management.SECURITY,
        management.SECURITY_1_1,
        management.SECURITY_1_0,
        management.SERVER,
        management.SERVER_1_0,
        management.SERVER_1_2,
        management.ACCESS_CONTROL,
        management.ACCESS_CONTROL_1_0,
        device.DEVICE,
        device.DEVICE_1_1,
        device.DEVICE_1_0,
        device.CONNECTIVITY_MONITORING,
        device.CONNECTIVITY_MONITORING_1_2,
        device.CONNECTIVITY_MONITORING_1_0,
        update.FIRMWARE_UPDATE,
        update.FIRMWARE_UPDATE_1_1,
        update.FIRMWARE_UPDATE_1_0,
        device.LOCATION,
        device.CONNECTIVITY_STATISTICS,
        update.SOFTWARE_MANAGEMENT,
        update.SOFTWARE_MANAGEMENT_1_1,
        device.CELLULAR_CONNECTIVITY,
        data.PORTFOLIO,
        data.BINARY_APP_DATA,
        management.OSCORE,
        management.OSCORE_1_1,
        management.OSCORE_1_0,
        update.ADVANCED_FIRMWARE_UPDATE,
        BOARD,
        INFERENCE,
        TRAINING,
        *ipso.IPSO,
    )
)


def implied_version(object_id: int, lwm2m_version: str) -> str:
    """The version of an object that is registered without one by a device that speaks this version of LwM2M."""
    return _IMPLIED_VERSIONS.get(lwm2m_version[:3], {}).get(object_id, "1.0")


def known_objects() -> tuple[ObjectModel, ...]:
    """The usual version of every standard object, by number."""
    return STANDARD.known_objects()


def find_object(object_id: int, version: str | None = None) -> ObjectModel | None:
    """The model of a standard object, the usual one unless a version is given; None when it is not known."""
    return STANDARD.find_object(object_id, version)


def find_resource(object_id: int, resource_id: int) -> ResourceModel | None:
    """The model of a resource of a standard object, or None when it or its object is not known."""
    return STANDARD.find_resource(object_id, resource_id)
