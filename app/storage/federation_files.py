"""The files of federations: global weights by their SHA-256, and the updates of rounds that are not averaged yet."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from app.storage.blobs import BlobStore
from zoo.federated.parameters import Parameters, Weights

_ROUND = "round-"


class FederationFiles:
    """A folder for each federation.

    Whoever writes an update and then commits its row holds the files meanwhile (`held`), and so does whoever removes a
    round: a late update is refused by its row, and nothing of it stays behind.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Until the row is committed."""
        with self._lock:
            yield

    def put_weights(self, federation_id: str, weights: Weights) -> str:
        """Store global weights; their identity, which an update calls its base, in hex."""
        return self._weights(federation_id).put(b"".join(array.astype("<f4").tobytes() for array in weights))

    def weights(self, federation_id: str, sha256: str, parameters: Parameters) -> Weights:
        """Global weights; FileNotFoundError when they were removed."""
        found = np.frombuffer(self._weights(federation_id).get(sha256), "<f4")
        pieces = np.split(found, np.cumsum([item.count for item in parameters])[:-1])
        return tuple(piece.reshape(item.shape) for item, piece in zip(parameters, pieces, strict=True))

    def weights_path(self, federation_id: str, sha256: str) -> Path:
        """Where global weights are."""
        return self._weights(federation_id).path(sha256)

    def keep_weights(self, federation_id: str, sha256: str) -> None:
        """Remove all global weights but these: no round starts from the others any more."""
        store = self._weights(federation_id)
        for other in list(store.older_than(0)):
            if other != sha256:
                store.remove(other)

    def updates(self, federation_id: str, number: int) -> BlobStore:
        """The updates of one round, as they came."""
        return BlobStore(self._root / federation_id / f"{_ROUND}{number}")

    def with_updates(self) -> list[str]:
        """The federations that have any."""
        return sorted({folder.parent.name for folder in self._root.glob(f"*/{_ROUND}*")})

    def forget_updates(self, federation_id: str, up_to: int | None = None) -> None:
        """Remove the updates of the rounds up to a number, or of all."""
        with self._lock:
            for folder in (self._root / federation_id).glob(f"{_ROUND}*"):
                if up_to is None or int(folder.name.removeprefix(_ROUND)) <= up_to:
                    shutil.rmtree(folder)

    def _weights(self, federation_id: str) -> BlobStore:
        # float32 in little-endian order, one parameter behind the other: a file's name is `weights_sha256`.
        return BlobStore(self._root / federation_id / "weights")
