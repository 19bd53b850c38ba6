"""Object models: which resources an object has, with their names, types and operations."""

from lwm2m.objects.model import ObjectModel, Operations, ResourceModel
from lwm2m.objects.registry import find_object, find_resource, known_objects

__all__ = ["ObjectModel", "Operations", "ResourceModel", "find_object", "find_resource", "known_objects"]
