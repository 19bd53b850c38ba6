"""What a client keeps on its disk: the model, an update until it is handed over, whether its owner has opted out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo import durable
from zoo.federated.errors import FederatedError
from zoo.federated.parameters import Parameters, Weights
from zoo.federated.site import Task
from zoo.training.on_device import weights_file
from zoo.training.on_device.course import CHECKPOINT

GLOBAL = "global.npz"


class StateError(FederatedError):
    """The folder is not this client's, or it is in use."""

    code = "state_unusable"
    default_remedy = "Give each client and each federation a --state folder of its own."


class ClientState:
    """One folder for one client of one federation. Every file in it is whole or absent.

    No sample is ever written here; a checkpoint and an update hold weights.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def held(self, federation: str) -> Iterator[None]:
        """Work in the folder alone, for this federation. Raises StateError."""
        with durable.alone(self.folder, StateError(f"Another client works in {self.folder}.")):
            owner = self.folder / "federation.json"
            if not owner.exists():
                durable.write(owner, json.dumps({"federation": federation}).encode())
            known = json.loads(owner.read_bytes())["federation"]
            if known != federation:
                raise StateError(f"{self.folder} belongs to federation {known}, not to {federation}.")
            yield

    @property
    def checkpoint(self) -> Path:
        """Where a training in progress is kept."""
        return self.folder / CHECKPOINT

    @property
    def trainable(self) -> bytes | None:
        """The .tflite file, when it was fetched before."""
        path = self.folder / "trainable.tflite"
        return path.read_bytes() if path.exists() else None

    def keep_trainable(self, data: bytes) -> None:
        """So that it is fetched once."""
        durable.write(self.folder / "trainable.tflite", data)

    def update(self, task: Task) -> bytes | None:
        """The update for this task, when it was trained before: a lost answer is asked for with the same bytes."""
        path = self._update(task)
        return path.read_bytes() if path.exists() else None

    def keep_update(self, task: Task, body: bytes) -> None:
        """Until it is handed over. Those of earlier rounds are of no use any more."""
        for other in self.folder.glob("update-*.cbor"):
            other.unlink()
        durable.write(self._update(task), body)

    def handed_over(self, task: Task) -> None:
        """The server has it."""
        self._update(task).unlink(missing_ok=True)

    def keep_global(self, weights: Weights, number: int, base: bytes) -> None:
        """The newest average that this client has seen: to go on from after a restart, and to be used on the device."""
        weights_file.save(self.folder / GLOBAL, weights, {"round": number, "base": base.hex()})

    def global_weights(self, parameters: Parameters, base: bytes) -> Weights | None:
        """The average of this identity, when it is there."""
        path = self.folder / GLOBAL
        if not path.exists():
            return None
        weights, told = weights_file.load(path, parameters)
        return weights if told.get("base") == base.hex() else None

    @property
    def opted_out(self) -> bool:
        """Whether the owner has said that nothing leaves the device."""
        return (self.folder / "opted-out").exists()

    def opt_out(self) -> None:
        """Nothing is trained for the federation or sent from now on, and what was to be sent is removed."""
        durable.write(self.folder / "opted-out", b"")
        for path in (*self.folder.glob("update-*.cbor"), self.checkpoint):
            path.unlink(missing_ok=True)
        durable.sync_folder(self.folder)

    def opt_in(self) -> None:
        """Take part again."""
        (self.folder / "opted-out").unlink(missing_ok=True)
        durable.sync_folder(self.folder)

    def _update(self, task: Task) -> Path:
        return self.folder / f"update-{task.round}-{task.base.hex()}.cbor"
