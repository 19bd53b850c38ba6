"""Object models: which resources an object has, with their names, types and operations."""

from lwm2m.objects.ddf import load_objects
from lwm2m.objects.model import ObjectModel, Operations, ResourceModel
from lwm2m.objects.registry import STANDARD, ObjectRegistry, find_object, find_resource, implied_version, known_objects

__all__ = [
    "STANDARD",
    "ObjectModel",
    "ObjectRegistry",
    "Operations",
    "ResourceModel",
    "find_object",
    "find_resource",
    "implied_version",
    "known_objects",
    "load_objects",
]
