"""Snapshots of datasets: made, looked up by their hash, and kept for as long as something depends on them."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from app.contract import models as api
from app.errors import Conflict, NotFound
from app.services.dataset_files import DatasetFiles
from app.storage import datasets, events
from app.storage import snapshots as rows
from app.storage.database import Transaction
from app.storage.dataset_tables import DatasetRow, DatasetSnapshotRow
from app.storage.pages import Page
from zoo.datasets import snapshot
from zoo.datasets.schema import Schema
from zoo.datasets.snapshot import PARTS, Part
from zoo.datasets.split import Plan, assign
from zoo.datasets.upload import Sample

MAX_OPEN = 32
"""Files of uploads that are mapped at a time: each is an open file, and of recordings every one is an upload."""


@dataclass(frozen=True)
class TakenSnapshot:
    """A snapshot whose file is on the disk, and what its row will say."""

    sha256: str
    size: int
    samples: int
    schema: Schema
    split: dict[str, Any]


@dataclass(frozen=True)
class _Place:
    """Where a sample's values are."""

    sample: Sample
    upload: int
    position: int


class SnapshotService:
    """Use cases of snapshots."""

    def __init__(self, files: DatasetFiles) -> None:
        self._files = files

    def take(self, session: Session, dataset: DatasetRow, plan: Plan) -> TakenSnapshot:
        """Write the file of a dataset as it is now. Hold the files until its row is committed."""
        if dataset.data_schema is None:
            raise Conflict(
                "dataset_empty",
                f"Dataset {dataset.name} has no samples.",
                f"Upload some: POST /v1/datasets/{dataset.name}/samples.",
                "dataset_name",
            )
        hashes = {row.seq: row.samples_sha256 for row in datasets.uploads(session, dataset.name)}
        files = lru_cache(MAX_OPEN)(lambda upload: self._files.samples(hashes[upload]))
        places = _ordered(session, dataset.name)
        if any(place.sample.label is not None for place in places):
            places = [place for place in places if place.sample.label is not None]
        samples = [place.sample for place in places]
        split = assign(plan, samples)
        schema = Schema.of_json(dataset.data_schema)
        schema = schema.with_labels(sample.label for sample in samples if sample.label is not None)

        def values() -> Iterator[bytes]:
            for place in places:
                yield files(place.upload)[0][place.position].tobytes()

        sha256 = self._files.put(
            snapshot.chunks(schema, values(), _answers(schema, places, files), _groups(samples), split)
        )
        parts = {part: _part_json([samples[index].label for index in split[part]]) for part in PARTS}
        size = self._files.path(sha256).stat().st_size
        return TakenSnapshot(sha256, size, len(samples), schema, {"asked": asdict(plan), "parts": parts})

    def store(
        self, transaction: Transaction, dataset: DatasetRow, taken: TakenSnapshot
    ) -> tuple[DatasetSnapshotRow, bool]:
        """The row of a snapshot, and whether it is new."""
        session = transaction.session
        row = rows.of_dataset(session, dataset.name, taken.sha256)
        if row is not None and row.removed_at is None:
            return row, False
        if row is None:
            row = DatasetSnapshotRow(
                dataset=dataset.name,
                sha256=taken.sha256,
                size=taken.size,
                samples=taken.samples,
                data_schema=taken.schema.to_json(),
                split=taken.split,
            )
        row.removed_at = None  # the same content was removed before, and is back
        session.add(row)
        session.flush()
        events.append(session, "dataset.snapshot_created", f"dataset/{dataset.name}", {"sha256": taken.sha256})
        return row, True

    def snapshot(self, session: Session, sha256: str) -> DatasetSnapshotRow:
        """One snapshot, or NotFound."""
        row = rows.by_sha256(session, sha256)
        if row is None:
            raise NotFound(
                "snapshot_not_found",
                f"There is no snapshot {sha256}.",
                "GET /v1/datasets/{name}/snapshots lists those of a dataset; POST there makes one.",
                "sha256",
            )
        return row

    def file(self, session: Session, sha256: str) -> Path:
        """A snapshot's file for `zoo.datasets.snapshot.load`, or NotFound when it was removed."""
        row = self.snapshot(session, sha256)
        if row.removed_at is not None:
            raise NotFound(
                "snapshot_removed",
                f"The file of snapshot {sha256} was removed on {row.removed_at:%Y-%m-%d}.",
                "Its hash and counts are kept for the lineage; make a new snapshot of the data that there is.",
                "sha256",
            )
        return self._files.path(sha256)

    def listing(self, session: Session, dataset: str, cursor: str | None, limit: int) -> Page[DatasetSnapshotRow]:
        """A page of a dataset's snapshots."""
        return rows.listing(session, dataset, cursor, limit)

    def as_snapshot(self, session: Session, row: DatasetSnapshotRow) -> api.Snapshot:
        """A snapshot as the API shows it."""
        return api.Snapshot(
            sha256=row.sha256,
            dataset=row.dataset,
            size=row.size,
            samples=row.samples,
            data_schema=api.DataSchema.model_validate(row.data_schema),
            split=api.SnapshotRequest.model_validate(row.split["asked"]),
            parts=api.Parts.model_validate(row.split["parts"]),
            used_by=list(rows.users(session, row.sha256)),
            created_at=row.created_at,
            removed_at=row.removed_at,
        )


def _ordered(session: Session, dataset: str) -> list[_Place]:
    """Every sample in an order that is the samples' own, and not that of the uploads."""
    places = [
        _Place(Sample(sha256, label, origin, _part(part)), upload, position)
        for upload, position, sha256, label, origin, part in datasets.sample_fields(session, dataset)
    ]
    places.sort(
        key=lambda place: (
            place.sample.sha256,
            place.sample.label or "",
            place.sample.origin or "",
            place.sample.part or "",
        )
    )
    return places


def _part(name: str | None) -> Part | None:
    return next((part for part in PARTS if part == name), None)


def _answers(
    schema: Schema, places: Sequence[_Place], files: Callable[[int], tuple[NDArray[Any], NDArray[Any] | None]]
) -> NDArray[Any] | None:
    """The snapshot's y."""
    if schema.labels:
        indices = {label: index for index, label in enumerate(schema.labels)}
        return np.array([indices[place.sample.label or ""] for place in places], np.int32)
    if schema.targets:
        targets = np.empty((len(places), len(schema.targets)), np.float32)
        for index, place in enumerate(places):
            stored = files(place.upload)[1]
            if stored is not None:
                targets[index] = stored[place.position]
        return targets
    return None


def _groups(samples: Sequence[Sample]) -> NDArray[np.int32] | None:
    """Numbers in place of the groups' names, which may be people's."""
    names = sorted({sample.origin for sample in samples if sample.origin is not None})
    if not names:
        return None
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([-1 if sample.origin is None else numbers[sample.origin] for sample in samples], np.int32)


def _part_json(labels: Sequence[str | None]) -> dict[str, Any]:
    counts = Counter(labels)
    return {
        "samples": len(labels),
        "labels": [
            {"label": label, "samples": counts[label]} for label in sorted(counts, key=lambda label: label or "")
        ],
    }
