"""Leshan's /server and /objectspecs: where the server listens, and the object models that a device uses."""

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lwm2m.leshan_http import Servlet, invalid_path, text
from lwm2m.leshan_json import Json
from lwm2m.leshan_security import server_security_json
from lwm2m.objects import ObjectModel, ObjectRegistry, Operations, ResourceModel
from lwm2m.server import Lwm2mServer

_DESCRIPTIONS = {"coap": "CoAP over UDP", "coaps": "CoAP over DTLS", "coap+tcp": "CoAP over TCP"}


class ServerInfo(Servlet):
    """Everything under /server; `ports` tells those in use by scheme, and `host` is where they are reached."""

    def __init__(self, ports: Callable[[], Mapping[str, int]], host: str) -> None:
        super().__init__({"GET": self._get})
        self._ports = ports
        self._host = f"[{host}]" if ":" in host else host

    async def _get(self, _: Request, parts: list[str]) -> Response:
        match parts:
            case ["endpoint"]:
                return JSONResponse([self._address(scheme, port) for scheme, port in self._ports().items()])
            case ["security"]:
                return JSONResponse(server_security_json())
            case _:
                return text(400, "Bad Request")

    def _address(self, scheme: str, port: int) -> Json:
        full = f"{scheme}://{self._host}:{port}"
        uri = {"full": full, "scheme": scheme, "host": self._host, "port": port}
        return {"uri": uri, "description": _DESCRIPTIONS.get(scheme, scheme)}


class ObjectSpecs(Servlet):
    """Everything under /objectspecs."""

    def __init__(self, server: Lwm2mServer, models: ObjectRegistry) -> None:
        super().__init__({"GET": self._get})
        self._server = server
        self._models = models

    async def _get(self, _: Request, parts: list[str]) -> Response:
        match parts:
            case [endpoint] if endpoint:
                registration = self._server.registration(endpoint)
                versions = dict(registration.versions)
                found = [self._model(number, versions.get(number)) for number in registration.instances]
                return JSONResponse([object_json(each) for each in found if each is not None])
            case _:
                return invalid_path()

    def _model(self, number: int, version: str | None) -> ObjectModel | None:
        """Without a version an object is of 1.0, or of the one that its LwM2M version brought."""
        if version is not None:
            return self._models.find_object(number, version)
        return self._models.find_object(number, "1.0") or self._models.find_object(number)


def object_json(model: ObjectModel) -> Json:
    """An object model as Leshan words it."""
    return {
        "name": model.name,
        "id": model.id,
        "instancetype": _instances(multiple=model.multiple),
        "mandatory": model.mandatory,
        "urn": model.urn,
        "version": model.version,
        "lwm2mversion": model.lwm2m_version,
        "description": model.description,
        "description2": model.description2,
        "resourcedefs": [resource_json(each) for _, each in sorted(model.resources.items())],
    }


def resource_json(model: ResourceModel) -> Json:
    """A resource model as Leshan words it."""
    return {
        "id": model.id,
        "name": model.name,
        "operations": "NONE" if model.operations is Operations.NONE else model.operations.value,
        "instancetype": _instances(multiple=model.multiple),
        "mandatory": model.mandatory,
        "type": model.type.value,
        "range": model.range,
        "units": model.units,
        "description": model.description,
    }


def _instances(*, multiple: bool) -> str:
    return "multiple" if multiple else "single"
