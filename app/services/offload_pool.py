"""What a session of offloading holds: its files, checked as they come, and its confs as the API shows them."""

from collections.abc import Mapping
from typing import Any

from app.errors import Conflict
from app.services.dataset_files import DatasetFiles
from app.storage.blobs import BlobStore
from zoo.datasets.datarepo import Description as Layout
from zoo.datasets.datarepo import parse_description as parse_layout
from zoo.training.offload.conf import Conf
from zoo.training.offload.description import Description, parse_description
from zoo.training.offload.plan import Plan, check_length
from zoo.training.offload.weights import parse_weights


class Pool:
    """The files of a session: those that are stored, and the one that has just come."""

    def __init__(
        self, blobs: BlobStore, files: DatasetFiles, plan: Plan, stored: Mapping[str, Any], new: Mapping[str, bytes]
    ) -> None:
        self._blobs, self._files, self._plan, self._stored, self._new = blobs, files, plan, stored, new

    def check(self) -> None:
        """Read what has just come, and compare it with what is there: what is wrong is said as early as can be."""
        plan = self._plan
        if plan.ini in self._new or plan.weights in self._new:
            network = self.network() if self._has(plan.ini) else None
            if network is not None and plan.weights is not None and self._has(plan.weights):
                parse_weights(network, self.bytes(plan.weights))
        if plan.layout in self._new or plan.data in self._new:
            layout = self.layout() if self._has(plan.layout) else None
            if layout is not None and self._has(plan.data):
                check_length(layout, self._size(plan.data))

    def network(self) -> Description:
        """The .ini."""
        return parse_description(self.bytes(self._plan.ini))

    def layout(self) -> Layout:
        """The .json."""
        return parse_layout(self.bytes(self._plan.layout))

    def bytes(self, name: str) -> bytes:
        """A file that is there."""
        if name in self._new:
            return self._new[name]
        sha256: str = self._stored[name]["sha256"]
        try:
            return self._files.read(sha256) if name == self._plan.data else self._blobs.get(sha256)
        except FileNotFoundError as error:
            raise Conflict(
                "offload_file_expired", f"{name} was sent too long ago and is gone.", "Send it again.", "file_name"
            ) from error

    def _has(self, name: str) -> bool:
        return name in self._new or name in self._stored

    def _size(self, name: str) -> int:
        return len(self._new[name]) if name in self._new else int(self._stored[name]["size"])


def conf_json(conf: Conf) -> dict[str, Any]:
    """A conf as the API shows it."""
    return {
        "node_type": conf.node_type,
        "host": conf.host,
        "port": conf.port,
        "dest_host": conf.dest_host,
        "dest_port": conf.dest_port,
        "connect_type": conf.connect_type,
        "topic": conf.topic,
        "time_limit": conf.time_limit,
        "sender_pipeline": conf.sender_pipeline,
        "pipeline": conf.pipeline,
        "transfer_data": [{"service": item.service, "file": item.file} for item in conf.transfers],
        "services": [
            {
                "service": name,
                "service_type": item.type,
                "service_key": item.key,
                "name": item.name,
                "activate": item.activate,
                "description": item.description,
            }
            for name, item in conf.services.items()
        ],
    }
