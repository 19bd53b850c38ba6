"""The device side of LwM2M: objects with handlers, a CoAP site over them, and the registration kept alive."""

from lwm2m.client.client import Lwm2mClient, Settings
from lwm2m.client.package import Package, PackageSink
from lwm2m.client.tree import ClientResource, ObjectInstance, ObjectTree

__all__ = ["ClientResource", "Lwm2mClient", "ObjectInstance", "ObjectTree", "Package", "PackageSink", "Settings"]
