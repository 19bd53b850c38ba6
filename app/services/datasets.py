"""Datasets: made, looked into as a whole, and taken away, by hand or when their days are over."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from app.contract import models as api
from app.errors import Conflict, NotFound
from app.services.dataset_files import DatasetFiles
from app.storage import datasets as rows
from app.storage import events
from app.storage import snapshots as snapshot_rows
from app.storage.columns import now
from app.storage.database import Transaction
from app.storage.dataset_tables import DatasetRow
from app.storage.pages import Page
from lwm2m.security import open_sealed, seal
from zoo.datasets.picture import MAX_EXAMPLES, Example, picture
from zoo.datasets.schema import Schema
from zoo.datasets.statistics import FeatureStatistics, statistics


class DatasetService:
    """Use cases of datasets."""

    def __init__(self, files: DatasetFiles, master_key: bytes) -> None:
        self._files = files
        self._master_key = master_key

    def create(self, transaction: Transaction, request: api.DatasetRequest) -> DatasetRow:
        """An empty dataset."""
        session = transaction.session
        if rows.by_name(session, request.name) is not None:
            raise Conflict(
                "dataset_exists",
                f"There is a dataset named {request.name}.",
                "Take another name, or add samples to this one.",
                "body.name",
            )
        key = request.signing_key
        row = DatasetRow(
            name=request.name,
            description=request.description,
            retain_days=request.retain_days,
            signing_key=seal(key.encode(), self._master_key, _key_name(request.name)).hex() if key else None,
        )
        session.add(row)
        session.flush()
        events.append(session, "dataset.created", f"dataset/{row.name}", {})
        return row

    def dataset(self, session: Session, name: str) -> DatasetRow:
        """One dataset, or NotFound."""
        row = rows.by_name(session, name)
        if row is None:
            raise NotFound(
                "dataset_not_found",
                f"There is no dataset named {name}.",
                "GET /v1/datasets lists them; POST there makes one.",
                "dataset_name",
            )
        return row

    def signing_key(self, row: DatasetRow) -> str | None:
        """What acquisitions have to be signed with."""
        if row.signing_key is None:
            return None
        return open_sealed(bytes.fromhex(row.signing_key), self._master_key, _key_name(row.name)).decode()

    def retain(self, transaction: Transaction, name: str, days: int | None) -> DatasetRow:
        """Say how long samples are kept."""
        row = self.dataset(transaction.session, name)
        row.retain_days = days
        transaction.session.add(row)
        return row

    def delete(self, transaction: Transaction, name: str, *, purge: bool) -> None:
        """Take a dataset away; snapshots in use stay, or with `purge` only their rows do. Hold the files."""
        session = transaction.session
        dataset = self.dataset(session, name)
        files = [sha256 for row in rows.uploads(session, name) for sha256 in (row.samples_sha256, row.rejected_sha256)]
        for snapshot in snapshot_rows.all_of_dataset(session, name):
            if not snapshot_rows.users(session, snapshot.sha256):
                session.delete(snapshot)
            elif purge:
                snapshot.removed_at = now()
                session.add(snapshot)
            files.append(snapshot.sha256)
        rows.remove(session, dataset)
        events.append(session, "dataset.deleted", f"dataset/{name}", {"purge": purge})
        transaction.after_commit(lambda: self._files.forget(files))

    def expire(self, transaction: Transaction) -> None:
        """Take away what is older than its dataset keeps samples; snapshots only if nothing depends on them."""
        session = transaction.session
        files: list[str | None] = []
        for dataset in rows.limited(session):
            before = now() - timedelta(days=dataset.retain_days or 0)
            old = [row for row in rows.uploads(session, dataset.name) if row.created_at < before]
            for upload in old:
                files += [upload.samples_sha256, upload.rejected_sha256]
                rows.remove_upload(session, upload)
            for snapshot in snapshot_rows.all_of_dataset(session, dataset.name):
                if snapshot.created_at < before and not snapshot_rows.users(session, snapshot.sha256):
                    files.append(snapshot.sha256)
                    session.delete(snapshot)
            if old:
                events.append(session, "dataset.samples_expired", f"dataset/{dataset.name}", {"uploads": len(old)})
        transaction.after_commit(lambda: self._files.forget(files))

    def statistics(self, session: Session, name: str) -> api.DatasetStatistics:
        """Of every sample that there is."""
        dataset = self.dataset(session, name)
        counts = rows.label_counts(session, name)
        return api.DatasetStatistics(
            samples=sum(counts.values()),
            labels=_label_counts(counts),
            groups=rows.group_count(session, name),
            features=[
                api.FeatureStatistics.model_validate(asdict(feature)) for feature in self._features(session, dataset)
            ],
        )

    def picture(self, session: Session, name: str) -> str:
        """An SVG."""
        dataset = self.dataset(session, name)
        if dataset.data_schema is None:
            raise Conflict(
                "dataset_empty",
                f"Dataset {name} has no samples.",
                f"Upload some: POST /v1/datasets/{name}/samples.",
                "dataset_name",
            )
        schema = Schema.of_json(dataset.data_schema)
        counts = {label or "(no label)": count for label, count in rows.label_counts(session, name).items()}
        tabular = schema.kind == "tabular"
        features = self._features(session, dataset) if tabular else ()
        return picture(name, schema, counts, [] if tabular else self._examples(session, name), features)

    def _features(self, session: Session, dataset: DatasetRow) -> Sequence[FeatureStatistics]:
        if dataset.data_schema is None:
            return ()

        def batches() -> Iterator[NDArray[Any]]:
            for upload in rows.uploads(session, dataset.name):
                positions = rows.positions(session, upload.seq or 0)
                x, _ = self._files.samples(upload.samples_sha256)
                if positions:
                    yield x if len(positions) == len(x) else x[np.array(positions)]

        return statistics(Schema.of_json(dataset.data_schema), batches)

    def _examples(self, session: Session, name: str) -> list[Example]:
        """Of each label in turn, until there are enough."""
        files = {row.seq: row.samples_sha256 for row in rows.uploads(session, name)}
        labels = list(rows.label_counts(session, name))[:MAX_EXAMPLES]
        found = []
        for label in labels:
            for row in rows.sample_listing(session, name, label, None, -(-MAX_EXAMPLES // len(labels))).items:
                x, _ = self._files.samples(files[row.upload])
                found.append(Example(row.label, np.array(x[row.position])))
        return found[:MAX_EXAMPLES]

    def listing(self, session: Session, cursor: str | None, limit: int) -> Page[DatasetRow]:
        """A page of datasets."""
        return rows.listing(session, cursor, limit)

    def as_dataset(self, session: Session, row: DatasetRow) -> api.Dataset:
        """A dataset as the API shows it."""
        counts = rows.label_counts(session, row.name)
        uploads, rejected = rows.totals(session, row.name)
        return api.Dataset(
            name=row.name,
            description=row.description,
            retain_days=row.retain_days,
            signed=row.signing_key is not None,
            data_schema=api.DataSchema.model_validate(row.data_schema) if row.data_schema is not None else None,
            samples=sum(counts.values()),
            labels=_label_counts(counts),
            uploads=uploads,
            rejected=rejected,
            created_at=row.created_at,
        )


def _label_counts(counts: Mapping[str | None, int]) -> list[api.LabelCount]:
    return [
        api.LabelCount(label=label, samples=counts[label]) for label in sorted(counts, key=lambda label: label or "")
    ]


def _key_name(dataset: str) -> str:
    return f"dataset/{dataset}"
