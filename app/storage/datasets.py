"""Rows of datasets, of uploads to them, and of their samples."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sqlalchemy import delete, insert
from sqlalchemy import select as sqlalchemy_select
from sqlmodel import Session, col, func, select

from app.storage.dataset_tables import DatasetRow, DatasetSampleRow, DatasetUploadRow
from app.storage.pages import Page, page

_INSERTED_AT_ONCE = 2000

SampleFields = tuple[int, int, str, str | None, str | None, str | None]
"""upload, position, sha256, label, origin, part."""


def by_name(session: Session, name: str) -> DatasetRow | None:
    """One dataset."""
    return session.get(DatasetRow, name)


def listing(session: Session, cursor: str | None, limit: int) -> Page[DatasetRow]:
    """A page of datasets by name."""
    return page(session, select(DatasetRow), col(DatasetRow.name), cursor=cursor, limit=limit, newest_first=False)


def limited(session: Session) -> Sequence[DatasetRow]:
    """Datasets whose samples are kept for some days only."""
    return session.exec(select(DatasetRow).where(col(DatasetRow.retain_days).is_not(None))).all()


def upload_by_fingerprint(session: Session, dataset: str, fingerprint: str) -> DatasetUploadRow | None:
    """The upload of these bytes with these options."""
    return session.exec(
        select(DatasetUploadRow).where(DatasetUploadRow.dataset == dataset, DatasetUploadRow.fingerprint == fingerprint)
    ).first()


def upload_by_id(session: Session, dataset: str, upload_id: str) -> DatasetUploadRow | None:
    """One upload."""
    return session.exec(
        select(DatasetUploadRow).where(DatasetUploadRow.dataset == dataset, DatasetUploadRow.id == upload_id)
    ).first()


def uploads(session: Session, dataset: str) -> Sequence[DatasetUploadRow]:
    """Every upload, oldest first."""
    return session.exec(
        select(DatasetUploadRow).where(DatasetUploadRow.dataset == dataset).order_by(col(DatasetUploadRow.seq))
    ).all()


def upload_listing(session: Session, dataset: str, cursor: str | None, limit: int) -> Page[DatasetUploadRow]:
    """A page of uploads, newest first."""
    return page(
        session,
        select(DatasetUploadRow).where(DatasetUploadRow.dataset == dataset),
        col(DatasetUploadRow.seq),
        cursor=cursor,
        limit=limit,
    )


def totals(session: Session, dataset: str) -> tuple[int, int]:
    """Uploads, and rejected rows of all of them."""
    count, rejected = session.exec(
        select(func.count(), func.sum(DatasetUploadRow.rejected)).where(DatasetUploadRow.dataset == dataset)
    ).one()
    return count, rejected or 0


def is_referenced(session: Session, sha256: str) -> bool:
    """Whether an upload of any dataset has this file."""
    return (
        session.exec(
            select(DatasetUploadRow.seq).where(
                (DatasetUploadRow.samples_sha256 == sha256) | (DatasetUploadRow.rejected_sha256 == sha256)
            )
        ).first()
        is not None
    )


def add_samples(session: Session, dataset: str, samples: Iterable[SampleFields]) -> None:
    """Insert many."""
    names = ("upload", "position", "sha256", "label", "origin", "part")
    waiting = iter(samples)
    while fields := [
        {"dataset": dataset, **dict(zip(names, sample, strict=True))} for sample in islice(waiting, _INSERTED_AT_ONCE)
    ]:
        session.execute(insert(DatasetSampleRow), fields)


def sample(session: Session, dataset: str, seq: int) -> DatasetSampleRow | None:
    """One sample."""
    return session.exec(
        select(DatasetSampleRow).where(DatasetSampleRow.dataset == dataset, DatasetSampleRow.seq == seq)
    ).first()


def sample_listing(
    session: Session, dataset: str, label: str | None, cursor: str | None, limit: int
) -> Page[DatasetSampleRow]:
    """A page of samples, newest first."""
    statement = select(DatasetSampleRow).where(DatasetSampleRow.dataset == dataset)
    if label is not None:
        statement = statement.where(DatasetSampleRow.label == label)
    return page(session, statement, col(DatasetSampleRow.seq), cursor=cursor, limit=limit)


def sample_fields(session: Session, dataset: str) -> Iterator[SampleFields]:
    """What there is of every sample but its values."""
    table = DatasetSampleRow
    statement = (
        sqlalchemy_select(  # SQLModel's own is typed up to four columns
            col(table.upload),
            col(table.position),
            col(table.sha256),
            col(table.label),
            col(table.origin),
            col(table.part),
        )
        .where(col(table.dataset) == dataset)
        .execution_options(yield_per=1000)
    )
    for upload, position, sha256, label, origin, part in session.execute(statement):  # noqa: UP028 - SQLAlchemy types a Row as the tuple that it is not
        yield upload, position, sha256, label, origin, part


def positions(session: Session, upload: int) -> Sequence[int]:
    """The rows of an upload's file that are samples still, ascending."""
    return session.exec(
        select(DatasetSampleRow.position)
        .where(DatasetSampleRow.upload == upload)
        .order_by(col(DatasetSampleRow.position))
    ).all()


def digests(session: Session, dataset: str) -> set[str]:
    """The hashes of every sample."""
    return set(session.exec(select(DatasetSampleRow.sha256).where(DatasetSampleRow.dataset == dataset)))


def label_counts(session: Session, dataset: str) -> dict[str | None, int]:
    """Samples by label; None for those without one."""
    rows = session.exec(
        select(DatasetSampleRow.label, func.count())
        .where(DatasetSampleRow.dataset == dataset)
        .group_by(col(DatasetSampleRow.label))
    )
    return dict(rows.all())


def group_count(session: Session, dataset: str) -> int:
    """Different groups."""
    return session.exec(
        select(func.count(func.distinct(DatasetSampleRow.origin))).where(DatasetSampleRow.dataset == dataset)
    ).one()


def remove_upload(session: Session, upload: DatasetUploadRow) -> None:
    """Delete an upload and its samples."""
    session.execute(delete(DatasetSampleRow).where(col(DatasetSampleRow.upload) == upload.seq))
    session.delete(upload)


def remove(session: Session, dataset: DatasetRow) -> None:
    """Delete a dataset with its uploads and samples."""
    for table in (DatasetSampleRow, DatasetUploadRow):
        session.execute(delete(table).where(col(table.dataset) == dataset.name))
    session.delete(dataset)
