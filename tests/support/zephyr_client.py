"""Speaks to Leshan's REST API as Zephyr's interoperability client does, odd spellings included.

Written from what that client depends on; nothing of it is copied.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

EP = "native_sim"
JSON = {"content-type": "application/json"}


class Zephyr:
    """Speaks to the REST API as Zephyr's client does: a format and a timeout on every request that it builds itself."""

    def __init__(self, address: str) -> None:
        self.api = f"{address}/api"
        self.timeout = 10
        self.format = "SENML_CBOR"
        self.http = httpx.AsyncClient(timeout=30)

    async def result(self, method: str, path: str, **request: Any) -> Any:
        """The JSON of an answer; an HTTP error is an exception with its text."""
        response = await self.http.request(method, self.api + path, **request)
        if not 200 <= response.status_code < 300:
            raise RuntimeError(f"Error {response.status_code}: {response.text}")
        return json.loads(response.text) if response.text else None

    async def get(self, path: str) -> Any:
        return await self.result("GET", path, params={"timeout": self.timeout, "format": self.format})

    async def put(self, path: str, data: Any, options: str = "") -> Any:
        query = f"?timeout={self.timeout}&format={self.format}{options}"
        body = data if isinstance(data, str) else json.dumps(data)
        return await self.result("PUT", path + query, content=body, headers=JSON)

    async def post(self, path: str, data: Any = None) -> Any:
        """Without data there is neither a body, nor a type, nor a query."""
        if data is None:
            return await self.result("POST", path)
        query = f"?timeout={self.timeout}&format={self.format}"
        body = data if isinstance(data, str) else json.dumps(data)
        return await self.result("POST", path + query, content=body, headers=JSON)

    async def read(self, path: str) -> Any:
        """The whole answer when it failed; otherwise what the content says."""
        answer = await self.get(f"/clients/{EP}/{path}")
        return decode(answer["content"]) if answer["success"] else answer

    async def write(self, path: str, value: Any) -> Any:
        *_, number = parts = path.split("/")
        return await self.put(f"/clients/{EP}/{path}", resource(number, value, instance=len(parts) == 4))

    async def write_instance(self, path: str, values: dict[int, Any], *, replace: bool) -> Any:
        options = f"&replace={str(replace).lower()}"
        return await self.put(f"/clients/{EP}/{path}", instance(path, values), options)

    async def create(self, path: str, values: dict[int, Any]) -> Any:
        return await self.post(f"/clients/{EP}/{path.rpartition('/')[0]}", instance(path, values))

    def composite(self, paths: list[str] | None = None) -> dict[str, Any]:
        """The query of composite requests; the paths are joined by commas, each with a slash."""
        query = {"pathformat": self.format, "nodeformat": self.format, "timeout": self.timeout}
        return query if paths is None else query | {"paths": ",".join("/" + path.lstrip("/") for path in paths)}

    async def read_composite(self, paths: list[str]) -> dict[str, Any]:
        answer = await self.result("GET", f"/clients/{EP}/composite", params=self.composite(paths))
        assert answer["status"] == "CONTENT(205)"
        return {path: decode(node) for path, node in answer["content"].items()}

    async def write_composite(self, values: dict[str, Any]) -> Any:
        nodes = {path: resource(int(path.split("/")[-1]), value) for path, value in values.items()}
        return await self.result("PUT", f"/clients/{EP}/composite", params=self.composite(), json=nodes)

    async def discover(self, path: str) -> dict[str, Any]:
        answer = await self.result("GET", f"/clients/{EP}/{path}/discover")
        return {link["url"]: link["attributes"] for link in answer["objectLinks"]}

    def events(self, name: str) -> Any:
        """The stream; the query is the bare name of the device."""
        return self.http.stream("GET", f"{self.api}/event?{name}", headers={"Accept": "text/event-stream"})


def resource(number: Any, value: Any, *, instance: bool = False) -> dict[str, Any]:
    """A resource as this client writes it: an id that may be text, a type in lower case."""
    if isinstance(value, dict):
        return {"id": number, "kind": "multiResource", "values": value, "type": word(next(iter(value.values())))}
    told = value.hex() if isinstance(value, bytes) else value
    kind = "resourceInstance" if instance else "singleResource"
    return {"id": number, "kind": kind, "value": told, "type": word(value)}


def word(value: Any) -> str:
    return {bool: "boolean", int: "integer", bytes: "opaque"}.get(type(value), "string")


def instance(path: str, values: dict[int, Any]) -> dict[str, Any]:
    resources = [resource(number, value) for number, value in values.items()]
    return {"kind": "instance", "id": int(path.rpartition("/")[2]), "resources": resources}


def decode(node: dict[str, Any]) -> Any:
    """Only booleans and integers are decoded; an integer comes as text."""

    def value(told: Any) -> Any:
        return int(told) if node["type"] == "INTEGER" else told

    match node["kind"]:
        case "obj":
            return {node["id"]: {each["id"]: decode(each)[each["id"]] for each in node["instances"]}}
        case "instance":
            return {node["id"]: {each["id"]: inner(each) for each in node["resources"]}}
        case "multiResource":
            return {node["id"]: {int(number): value(each) for number, each in node["values"].items()}}
        case "root":
            return {each["id"]: decode(each)[each["id"]] for each in node["objects"]}
        case _:
            return value(node["value"])


def inner(node: dict[str, Any]) -> Any:
    found = decode(node)
    return found[node["id"]] if node["kind"] == "multiResource" else found


async def next_event(lines: AsyncIterator[str], name: str) -> Any:
    """The data of the next event of this name; the line has to match exactly."""
    async with asyncio.timeout(10):
        async for line in lines:
            if line == f"event: {name}":
                async for data in lines:
                    if data.startswith("data: "):
                        return json.loads(data.removeprefix("data: "))
    raise AssertionError(f"the stream ended before {name}")
