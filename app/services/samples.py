"""Samples of datasets: uploads are parsed, compared with what is there, and stored; one can be shown or deleted."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Self

from sqlmodel import Session

from app.contract import models as api
from app.errors import Conflict, NotFound, TooLarge
from app.services.dataset_files import DatasetFiles
from app.services.datasets import DatasetService
from app.services.identity import new_id
from app.storage import datasets as rows
from app.storage import events
from app.storage.database import Database, Transaction
from app.storage.dataset_tables import DatasetRow, DatasetSampleRow, DatasetUploadRow
from app.storage.pages import Page
from zoo.datasets.rows import Limits, Options
from zoo.datasets.schema import Schema
from zoo.datasets.snapshot import Part
from zoo.datasets.upload import FORMATS, Batch, Format, collect, labelled, parse

SHOWN_REASONS = 20


@dataclass(frozen=True)
class Incoming:
    """An upload as it came: files by name, and what the caller said about them."""

    files: Mapping[str, bytes]
    format: Format | None
    options: Options
    part: Part | None
    refuse_duplicates: bool

    @property
    def fingerprint(self) -> str:
        """The same for the same bytes with the same options and the same label.

        Whether duplicates are refused does not matter to it.
        """
        options = replace(labelled(self.files, self.format, self.options), key=None)
        said = {"format": self.format, "part": self.part, **asdict(options)}
        digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
        for name in sorted(self.files):
            digest.update(hashlib.sha256(self.files[name]).digest())
        return digest.hexdigest()

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(map(len, self.files.values()))


@dataclass(frozen=True)
class ReadUpload:
    """An upload that was parsed. A context manager: its samples are in a temporary file."""

    incoming: Incoming
    format: Format
    batch: Batch
    known: frozenset[str] | None
    """The hashes that duplicates were looked for among; None when nobody asked."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.batch.__exit__()


@dataclass(frozen=True)
class KeptUpload:
    """An upload whose files are on the disk."""

    read: ReadUpload
    samples_sha256: str
    rejected_sha256: str | None


class SampleService:
    """Use cases of samples and uploads."""

    def __init__(
        self, database: Database, files: DatasetFiles, datasets: DatasetService, limits: Limits, max_samples: int
    ) -> None:
        self._database = database
        self._files = files
        self._datasets = datasets
        self._limits = limits
        self._max_samples = max_samples

    def find_same(self, session: Session, name: str, incoming: Incoming) -> DatasetUploadRow | None:
        """The upload of the same bytes with the same options."""
        self._datasets.dataset(session, name)
        return rows.upload_by_fingerprint(session, name, incoming.fingerprint)

    def read(self, name: str, incoming: Incoming) -> ReadUpload:
        """Parse an upload to a dataset. DatasetError says what is wrong with it."""
        with self._database.read() as session:
            dataset = self._datasets.dataset(session, name)
            known = frozenset(rows.digests(session, name)) if incoming.refuse_duplicates else None
        expected = Schema.of_json(dataset.data_schema) if dataset.data_schema is not None else None
        options = replace(incoming.options, key=self._datasets.signing_key(dataset))
        format_, (schema, parsed) = parse(incoming.files, incoming.format, options, self._limits)
        seen = set(known or ())

        def is_known(sha256: str) -> bool:
            there = sha256 in seen
            seen.add(sha256)
            return there

        batch = collect(
            schema, parsed, self._limits, expected=expected, is_known=is_known if known is not None else None
        )
        return ReadUpload(incoming, format_, batch, known)

    def keep(self, upload: ReadUpload) -> KeptUpload:
        """Write an upload's files. Hold the files from before until its rows are committed."""
        batch = upload.batch
        return KeptUpload(
            upload,
            samples_sha256=self._files.put(batch.chunks()),
            rejected_sha256=self._files.put([batch.rejected_lines()]) if batch.rejected else None,
        )

    def store(self, transaction: Transaction, name: str, stored: KeptUpload) -> tuple[DatasetUploadRow, bool]:
        """The row of an upload and those of its samples, and whether they are new."""
        session, read = transaction.session, stored.read
        same = self.find_same(session, name, read.incoming)
        if same is not None:
            return same, False
        dataset, batch = self._datasets.dataset(session, name), read.batch
        self._check_unchanged(session, dataset, read)
        upload = DatasetUploadRow(
            id=new_id("upl"),
            dataset=name,
            fingerprint=read.incoming.fingerprint,
            format=read.format,
            samples_sha256=stored.samples_sha256,
            rejected_sha256=stored.rejected_sha256,
            size=read.incoming.size,
            accepted=len(batch.samples),
            rejected=batch.rejected,
            duplicates=batch.duplicates,
            reasons=[{"place": row.place, "reason": row.reason} for row in batch.rejections[:SHOWN_REASONS]],
        )
        session.add(upload)
        labels = set(Schema.of_json(dataset.data_schema).labels) if dataset.data_schema is not None else set()
        if batch.samples:
            dataset.data_schema = batch.schema.with_labels(labels | set(batch.schema.labels)).to_json()
        session.add(dataset)
        session.flush()
        rows.add_samples(
            session,
            name,
            (
                (
                    upload.seq or 0,
                    place,
                    sample.sha256,
                    sample.label,
                    sample.origin,
                    sample.part or read.incoming.part,
                )
                for place, sample in enumerate(batch.samples)
            ),
        )
        data = {"upload_id": upload.id, "accepted": upload.accepted, "rejected": upload.rejected}
        events.append(session, "dataset.samples_added", f"dataset/{name}", data)
        return upload, True

    def _check_unchanged(self, session: Session, dataset: DatasetRow, read: ReadUpload) -> None:
        """Another upload may have been stored since this one was compared with the dataset."""
        changed = read.known is not None and not read.known >= rows.digests(session, dataset.name)
        if dataset.data_schema is not None:
            changed |= Schema.of_json(dataset.data_schema).misfit(read.batch.schema) is not None
        if changed:
            raise Conflict("dataset_changed", "Another upload came in between.", "Send this one again.", "dataset_name")
        there = sum(rows.label_counts(session, dataset.name).values())
        if there + len(read.batch.samples) > self._max_samples:
            raise TooLarge(
                "dataset_full",
                f"{there} samples are there and {len(read.batch.samples)} came; {self._max_samples} are allowed.",
                "Delete samples, or make another dataset.",
                "body",
            )

    def upload(self, session: Session, name: str, upload_id: str) -> DatasetUploadRow:
        """One upload, or NotFound."""
        self._datasets.dataset(session, name)
        row = rows.upload_by_id(session, name, upload_id)
        if row is None:
            raise NotFound(
                "upload_not_found",
                f"Dataset {name} has no upload {upload_id}.",
                f"GET /v1/datasets/{name}/uploads lists them.",
                "upload_id",
            )
        return row

    def rejected_rows(self, upload: DatasetUploadRow) -> bytes:
        """JSON lines."""
        return self._files.read(upload.rejected_sha256) if upload.rejected_sha256 is not None else b""

    def sample(self, session: Session, name: str, sample_id: int) -> DatasetSampleRow:
        """One sample, or NotFound."""
        self._datasets.dataset(session, name)
        row = rows.sample(session, name, sample_id)
        if row is None:
            raise NotFound(
                "sample_not_found",
                f"Dataset {name} has no sample {sample_id}.",
                f"GET /v1/datasets/{name}/samples lists them.",
                "sample_id",
            )
        return row

    def delete_sample(self, transaction: Transaction, name: str, sample_id: int) -> None:
        """Take a sample away and overwrite its values. Hold the files."""
        session = transaction.session
        row = self.sample(session, name, sample_id)
        upload = _upload_of(session, row)
        schema = Schema.of_json(self._datasets.dataset(session, name).data_schema or {})
        session.delete(row)
        session.flush()
        before = upload.samples_sha256
        upload.samples_sha256 = self._files.overwritten(before, schema, rows.positions(session, row.upload))
        session.add(upload)
        events.append(session, "dataset.sample_deleted", f"dataset/{name}", {"sample_id": sample_id})
        transaction.after_commit(lambda: self._files.forget([before]))

    def listing(
        self, session: Session, name: str, label: str | None, cursor: str | None, limit: int
    ) -> Page[DatasetSampleRow]:
        """A page of samples."""
        self._datasets.dataset(session, name)
        return rows.sample_listing(session, name, label, cursor, limit)

    def uploads(self, session: Session, name: str, cursor: str | None, limit: int) -> Page[DatasetUploadRow]:
        """A page of uploads."""
        self._datasets.dataset(session, name)
        return rows.upload_listing(session, name, cursor, limit)

    def as_sample(self, session: Session, row: DatasetSampleRow) -> api.Sample:
        """A sample as lists show it."""
        return api.Sample.model_validate(self._fields(session, row))

    def as_detail(self, session: Session, row: DatasetSampleRow) -> api.SampleDetail:
        """A sample with its values."""
        x, targets = self._files.samples(_upload_of(session, row).samples_sha256)
        values = {
            "values": x[row.position].tolist(),
            "targets": targets[row.position].tolist() if targets is not None else [],
        }
        return api.SampleDetail.model_validate({**self._fields(session, row), **values})

    def _fields(self, session: Session, row: DatasetSampleRow) -> dict[str, object]:
        return {
            "id": row.seq,
            "upload_id": _upload_of(session, row).id,
            "label": row.label,
            "group": row.origin,
            "part": row.part,
            "sha256": row.sha256,
        }

    def as_upload(self, row: DatasetUploadRow) -> api.DatasetUpload:
        """An upload as the API shows it."""
        return api.DatasetUpload(
            id=row.id,
            dataset=row.dataset,
            format=_format(row.format),
            size=row.size,
            accepted=row.accepted,
            rejected=row.rejected,
            duplicates=row.duplicates,
            reasons=[api.RejectedRow.model_validate(reason) for reason in row.reasons],
            created_at=row.created_at,
        )


def _format(name: str) -> Format:
    return next(known for known in FORMATS if known == name)


def _upload_of(session: Session, row: DatasetSampleRow) -> DatasetUploadRow:
    upload = session.get(DatasetUploadRow, row.upload)
    if upload is None:  # a foreign key forbids it
        raise LookupError(f"sample {row.seq} has no upload")
    return upload
