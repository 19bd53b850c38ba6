"""The device's side of a bootstrap (Core 1.1.1, section 6.1): Objects 0 and 1 as a bootstrap server writes them."""

import asyncio
from collections.abc import Iterable
from typing import Any

from lwm2m.client.connection import Psk, ServerAccount
from lwm2m.errors import Refused
from lwm2m.links import Link
from lwm2m.messages import Code
from lwm2m.nodes import Node, flatten
from lwm2m.paths import Path
from lwm2m.values import Value

SECURITY, SERVER = 0, 1
MAX_INSTANCES = 8
MODE_PSK, MODE_NONE = 0, 3
DEFAULT_LIFETIME = 86_400


class Accounts:
    """The instances of Objects 0 and 1, readable by nobody. Methods raise Refused with the code to answer with."""

    def __init__(self) -> None:
        self._instances: dict[Path, dict[int, Value]] = {}

    def delete(self, path: Path) -> None:
        """Delete an instance, all of an object, or everything (/)."""
        if path.level > 2 or (path.level and path.ids[0] not in (SECURITY, SERVER)):
            raise Refused(Code.METHOD_NOT_ALLOWED, f"{path} cannot be deleted in a bootstrap")
        self._instances = {each: kept for each, kept in self._instances.items() if not path.contains(each)}

    def write(self, path: Path, node: Node) -> None:
        """Write a resource, an instance or all instances of an object; an instance is replaced."""
        leaves = flatten(path, node)
        fresh: dict[Path, dict[int, Value]] = {}
        for leaf in leaves:
            fresh.setdefault(Path(leaf.path.ids[:2]), {})[leaf.path.ids[2]] = leaf.value
        if len(self._instances.keys() | fresh.keys()) > MAX_INSTANCES:
            raise Refused(Code.BAD_REQUEST, f"at most {MAX_INSTANCES} instances of Objects 0 and 1 are kept")
        for instance, values in fresh.items():
            before = self._instances.get(instance, {}) if path.level > 2 else {}
            self._instances[instance] = before | values

    def links(self) -> tuple[Link, ...]:
        """The answer to a Bootstrap-Discover."""
        found = [Link("/", (("lwm2m", "1.1"),))]
        for path, values in sorted(self._instances.items()):
            number = values.get(10 if path.ids[0] == SECURITY else 0)
            known = isinstance(number, int) and not values.get(1)
            found.append(Link(str(path), (("ssid", str(number)),) if known else ()))
        return tuple(found)

    def account(self) -> ServerAccount:
        """The server to register at; 4.06 when the two objects do not name one."""
        for path, security in sorted(self._instances.items()):
            if path.ids[0] != SECURITY or security.get(1) is True:
                continue
            short_id = security.get(10)
            server = next((each for each in self._servers() if each.get(0) == short_id), None)
            if server is not None:
                return _account(security, server)
        raise Refused(Code.NOT_ACCEPTABLE, "no instance of Object 0 and one of Object 1 have the same short server id")

    def _servers(self) -> Iterable[dict[int, Value]]:
        return (values for path, values in sorted(self._instances.items()) if path.ids[0] == SERVER)


class BootstrapSession:
    """One bootstrap under way: whom to listen to, what was written so far, and the end of it."""

    def __init__(self) -> None:
        self.accounts = Accounts()
        self.remote: Any = None
        self.finished: asyncio.Future[ServerAccount] = asyncio.get_running_loop().create_future()

    def finish(self) -> None:
        """Bootstrap-Finish: 4.06 when what was written does not lead to a server."""
        account = self.accounts.account()
        if not self.finished.done():
            self.finished.set_result(account)


def _account(security: dict[int, Value], server: dict[int, Value]) -> ServerAccount:
    uri, lifetime, short_id = security.get(0), server.get(1, DEFAULT_LIFETIME), server.get(0)
    if not isinstance(uri, str) or not isinstance(lifetime, int) or not isinstance(short_id, int):
        raise Refused(Code.NOT_ACCEPTABLE, "the server's URI, lifetime or short id is missing")
    match security.get(2, MODE_NONE):
        case int(mode) if mode == MODE_PSK:
            identity, key = security.get(3), security.get(5)
            if not isinstance(identity, bytes) or not isinstance(key, bytes):
                raise Refused(Code.NOT_ACCEPTABLE, "security mode 0 needs an identity and a key")
            return ServerAccount(uri, lifetime, short_id, Psk(identity.decode("utf-8", "replace"), key))
        case int(mode) if mode == MODE_NONE:
            return ServerAccount(uri, lifetime, short_id)
        case mode:
            raise Refused(Code.NOT_ACCEPTABLE, f"security mode {mode!r} is not supported: 0 (key) and 3 (none) are")
