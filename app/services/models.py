"""Models: upload with inspection and golden vectors, activation, and the zoo that ships."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlmodel import Session

from app.contract import models as api
from app.errors import NotFound
from app.settings import Settings
from app.storage import events
from app.storage import models as rows
from app.storage.blobs import BlobStore
from app.storage.database import Database, Transaction
from app.storage.pages import Page
from app.storage.tables import ModelRow, ModelVersionRow
from zoo.cards import catalog
from zoo.inspect import ModelReport, inspect, require_int8
from zoo.oracle import probe
from zoo.training.pictures import pictures_of

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ExaminedModel:
    """A model that parsed, ran in the oracle, and may be stored."""

    data: bytes
    report: ModelReport
    golden: dict[str, Any]


@dataclass(frozen=True)
class Provenance:
    """What is known of a version beside its bytes: `formats` are other forms of it, by name with sha256 and size."""

    card: dict[str, Any] | None = None
    formats: dict[str, Any] | None = None
    lineage: dict[str, Any] | None = None
    evaluation: dict[str, Any] | None = None


UPLOADED = Provenance()


class ModelService:
    """Use cases of the zoo."""

    def __init__(self, database: Database, blobs: BlobStore, settings: Settings) -> None:
        self._database = database
        self._blobs = blobs
        self._settings = settings

    def examine(self, data: bytes) -> ExaminedModel:
        """Parse with bounds, then run in the oracle's own process. ModelError says what is wrong."""
        require_int8(inspect(data, max_bytes=self._settings.max_model_bytes))
        proven = probe(data, count=self._settings.golden_vectors)
        golden = {
            "vectors": [
                {
                    "inputs": [value.hex() for value in vector.inputs],
                    "outputs": [value.hex() for value in vector.outputs],
                }
                for vector in proven.vectors
            ]
        }
        return ExaminedModel(data, proven.report, golden)

    def find_same(self, session: Session, name: str, sha256: str) -> ModelVersionRow | None:
        """The version of a model that has these bytes already."""
        return rows.version_by_sha256(session, name, sha256)

    def store(
        self, transaction: Transaction, name: str, examined: ExaminedModel, provenance: Provenance = UPLOADED
    ) -> tuple[ModelVersionRow, bool]:
        """The next version of a model, and whether it is new; the first version becomes active.

        A version of the same bytes is answered, with what it did not know of itself yet.
        """
        session = transaction.session
        same = rows.version_by_sha256(session, name, examined.report.sha256)
        if same is not None:
            same.card = same.card or provenance.card
            same.lineage = same.lineage or provenance.lineage
            same.formats = {**(same.formats or {}), **(provenance.formats or {})} or None
            same.evaluation = provenance.evaluation or same.evaluation
            session.add(same)
            return same, False
        self._blobs.put(examined.data)
        number = rows.latest_version(session, name) + 1
        if number == 1:
            session.add(ModelRow(name=name, active_version=1))
            session.flush()
        row = ModelVersionRow(
            model=name,
            version=number,
            sha256=examined.report.sha256,
            size=len(examined.data),
            report=_report_json(examined.report),
            golden=examined.golden,
            card=provenance.card,
            formats=provenance.formats,
            lineage=provenance.lineage,
            evaluation=provenance.evaluation,
        )
        session.add(row)
        events.append(session, "model.version_created", f"model/{name}", {"version": number, "sha256": row.sha256})
        return row, True

    def seed_catalog(self) -> None:
        """Store the models that ship with the server, once."""
        for entry in catalog():
            with self._database.read() as session:
                if rows.by_name(session, entry.name) is not None:
                    continue
            examined = self.examine(entry.model)
            with self._database.write() as transaction:
                shipped = Provenance(
                    card=entry.card.to_json(), evaluation={"snapshot_sha256": None, **entry.evaluation}
                )
                self.store(transaction, entry.name, examined, shipped)
            _log.info("zoo model stored", model=entry.name)

    def model(self, session: Session, name: str) -> ModelRow:
        """One model, or NotFound."""
        row = rows.by_name(session, name)
        if row is None:
            raise NotFound(
                "model_not_found",
                f"There is no model named {name}.",
                "GET /v1/models lists them; POST a .tflite to /v1/models/{name}/versions makes one.",
                "model",
            )
        return row

    def version(self, session: Session, name: str, number: int | None) -> ModelVersionRow:
        """One version of a model (without a number the active one), or NotFound."""
        model = self.model(session, name)
        row = rows.version(session, name, number or model.active_version)
        if row is None:
            raise NotFound(
                "version_not_found",
                f"Model {name} has no version {number}.",
                f"GET /v1/models/{name}/versions lists them.",
                "version",
            )
        return row

    def activate(self, transaction: Transaction, name: str, number: int) -> ModelRow:
        """Make a version the active one."""
        model, row = self.model(transaction.session, name), self.version(transaction.session, name, number)
        if model.active_version != row.version:
            model.active_version = row.version
            transaction.session.add(model)
            events.append(transaction.session, "model.activated", f"model/{name}", {"version": number})
        return model

    def format(self, session: Session, name: str, number: int, format_: str) -> str:
        """The SHA-256 of another form of a version, or NotFound."""
        row = self.version(session, name, number)
        found = (row.formats or {}).get(format_)
        if found is None:
            there = ", ".join(row.formats or {}) or "none"
            raise NotFound(
                "format_not_found",
                f"{name} version {number} has no form {format_}; it has {there}.",
                "A training makes keras and float32; a job of kind quantise adds float16 and dynamic_range, "
                "one of kind trainable adds trainable.",
                "format",
            )
        return str(found["sha256"])

    def evaluation(self, session: Session, name: str, number: int) -> dict[str, Any]:
        """The evaluation of a version, or NotFound."""
        row = self.version(session, name, number)
        if row.evaluation is None:
            raise NotFound(
                "evaluation_not_found",
                f"{name} version {number} was not evaluated.",
                "POST /v1/training-jobs with the kind evaluate, the model and a data set's snapshot.",
                "version",
            )
        return {"model": name, "version": number, "float32": None, **row.evaluation}

    def as_evaluation(self, session: Session, name: str, number: int) -> api.ModelEvaluation:
        """The same as the API shows it."""
        found = self.evaluation(session, name, number)
        return api.ModelEvaluation.model_validate({**found, "pictures": list(pictures_of(found))})

    def picture(self, session: Session, name: str, number: int, picture: str) -> str:
        """A picture of the evaluation as SVG, or NotFound."""
        drawn = pictures_of(self.evaluation(session, name, number))
        if picture not in drawn:
            raise NotFound(
                "picture_not_found",
                f"The evaluation of {name} version {number} has no picture {picture}; it has {', '.join(drawn)}.",
                f"GET /v1/models/{name}/versions/{number}/evaluation names them.",
                "picture",
            )
        return drawn[picture]()

    def listing(self, session: Session, cursor: str | None, limit: int) -> Page[ModelRow]:
        """A page of models."""
        return rows.listing(session, cursor, limit)

    def versions(self, session: Session, name: str, cursor: str | None, limit: int) -> Page[ModelVersionRow]:
        """A page of a model's versions."""
        self.model(session, name)
        return rows.versions(session, name, cursor, limit)

    def as_model(self, session: Session, row: ModelRow) -> api.Model:
        """A model as the API shows it."""
        active = rows.version(session, row.name, row.active_version)
        card = (active.card if active else None) or {}
        return api.Model(
            name=row.name,
            task=card.get("task"),
            description=card.get("description"),
            active_version=row.active_version,
            latest_version=rows.latest_version(session, row.name),
            created_at=row.created_at,
        )

    def as_version(self, session: Session, row: ModelVersionRow) -> api.ModelVersion:
        """A version as the API shows it."""
        model = self.model(session, row.model)
        return api.ModelVersion(
            model=row.model,
            version=row.version,
            sha256=row.sha256,
            size=row.size,
            active=model.active_version == row.version,
            golden_vectors=len(row.golden["vectors"]),
            report=api.ModelReport.model_validate(row.report),
            card=row.card,
            formats=[
                api.ModelFormat.model_validate({"format": name, **item}) for name, item in (row.formats or {}).items()
            ],
            metric=api.EvaluationMetric.model_validate(row.evaluation["metric"]) if row.evaluation else None,
            lineage=api.Lineage.model_validate(row.lineage) if row.lineage else None,
            created_at=row.created_at,
        )


def golden_outputs(golden: dict[str, Any]) -> Sequence[bytes]:
    """The expected output of each golden vector: its output tensors' bytes, one after the other."""
    return [bytes.fromhex("".join(vector["outputs"])) for vector in golden["vectors"]]


def _report_json(report: ModelReport) -> dict[str, Any]:
    def tensors(items: Sequence[Any]) -> list[dict[str, Any]]:
        return [
            {"name": t.name, "shape": list(t.shape), "dtype": t.dtype, "scale": t.scale, "zero_point": t.zero_point}
            for t in items
        ]

    return {
        "inputs": tensors(report.inputs),
        "outputs": tensors(report.outputs),
        "operators": [{"name": name, "count": count} for name, count in report.operator_counts.items()],
        "parameters": report.parameters,
        "macs": report.macs,
        "flash_estimate_bytes": report.flash_bytes,
        "ram_estimate_bytes": report.ram_bytes,
        "is_int8": report.is_int8,
    }
