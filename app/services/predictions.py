"""Predictions on the server: a version, or whichever is active, run with LiteRT on numbers or on pictures."""

from collections.abc import Sequence

from app.services.models import ModelService
from app.storage.blobs import BlobStore
from app.storage.database import Database
from zoo.photograph import PictureInput
from zoo.predict import Predictor


class PredictionService:
    """Use cases of prediction."""

    def __init__(self, database: Database, blobs: BlobStore, models: ModelService, predictor: Predictor) -> None:
        self._database = database
        self._blobs = blobs
        self._models = models
        self._predictor = predictor

    def of_instances(self, name: str, number: int | None, instances: Sequence[object]) -> list[object]:
        """Real units in, real units out."""
        with self._database.read() as session:
            row = self._models.version(session, name, number)
        return self._predictor.predict(row.sha256, lambda: self._blobs.get(row.sha256), instances)

    def of_pictures(self, name: str, number: int | None, pictures: Sequence[bytes]) -> list[object]:
        """PNG or JPEG files in, real units out."""
        with self._database.read() as session:
            row = self._models.version(session, name, number)
        return self._predictor.predict_pictures(
            row.sha256, lambda: self._blobs.get(row.sha256), pictures, PictureInput.of_card(row.card)
        )
