"""The way to the device of one update: requests to it, the package for it, and how much of that has arrived."""

import asyncio
from collections.abc import Callable

from app.services.packages import UpdatePackages
from app.services.update_ledger import UpdateLedger
from app.storage.blobs import BlobStore
from app.storage.tables import UpdateRow
from lwm2m.bridge import DeviceBridge
from lwm2m.nodes import Resource
from lwm2m.paths import Path
from lwm2m.registration import Registration
from lwm2m.values import ResourceType, Value


class DeviceLink:
    """Raises Lwm2mError whenever the device refuses or does not answer."""

    def __init__(
        self,
        bridge: DeviceBridge,
        blobs: BlobStore,
        packages: UpdatePackages,
        package_base: Callable[[Registration | None], str],
        row: UpdateRow,
        ledger: UpdateLedger,
    ) -> None:
        self.bridge = bridge
        self.row = row
        self.sent = row.bytes_sent
        self._blobs = blobs
        self._packages = packages
        self._package_base = package_base
        self._ledger = ledger

    @property
    def endpoint(self) -> str:
        """The device's name."""
        return self.row.endpoint

    async def registration(self) -> Registration | None:
        """The device's registration, None while it has none."""
        registrations = await self.bridge.registrations()
        return next((each for each in registrations if each.endpoint == self.endpoint), None)

    def uri(self, registration: Registration | None) -> str:
        """Where the device fetches the package."""
        return f"{self._package_base(registration)}/{self.row.token}"

    async def renew_uri(self) -> str:
        """Another address for the package; the one before is void."""
        self.row = await asyncio.to_thread(self._ledger.renew_token)
        return self.uri(await self.registration())

    async def observe(self, *paths: Path) -> None:
        """Hear of changes."""
        for path in paths:
            (await self.bridge.observe(self.endpoint, path)).require_success()

    async def push(self, path: Path) -> None:
        """Write the package to a resource, block-wise."""
        package = await asyncio.to_thread(self._blobs.get, self.row.artifact_sha256 or "")
        (await self.bridge.push_package(self.endpoint, package, self._progress, path=path)).require_success()

    async def write(self, path: Path, kind: ResourceType, value: Value) -> None:
        """Write a resource."""
        (await self.bridge.write(self.endpoint, path, Resource(path.ids[-1], kind, value))).require_success()

    async def execute(self, path: Path, arguments: str = "") -> None:
        """Execute a resource."""
        (await self.bridge.execute(self.endpoint, path, arguments)).require_success()

    def note_pulled(self) -> None:
        """Look how much of the package the device has fetched."""
        self.sent = max(self.sent, self._packages.served(self.row.token))

    def _progress(self, sent: int) -> None:
        self.sent = sent
