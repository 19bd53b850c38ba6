"""Rows of datasets' snapshots, and of who depends on them."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from app.storage.dataset_tables import DatasetSnapshotRow, DatasetSnapshotUseRow
from app.storage.pages import Page, page


def by_sha256(session: Session, sha256: str) -> DatasetSnapshotRow | None:
    """The snapshot of this content, of whichever dataset, one with its file before one without."""
    return session.exec(
        select(DatasetSnapshotRow)
        .where(DatasetSnapshotRow.sha256 == sha256)
        .order_by(col(DatasetSnapshotRow.removed_at).is_not(None), col(DatasetSnapshotRow.seq))
    ).first()


def of_dataset(session: Session, dataset: str, sha256: str) -> DatasetSnapshotRow | None:
    """The snapshot of a dataset with this content."""
    return session.exec(
        select(DatasetSnapshotRow).where(DatasetSnapshotRow.dataset == dataset, DatasetSnapshotRow.sha256 == sha256)
    ).first()


def listing(session: Session, dataset: str, cursor: str | None, limit: int) -> Page[DatasetSnapshotRow]:
    """A page of a dataset's snapshots, newest first."""
    return page(
        session,
        select(DatasetSnapshotRow).where(DatasetSnapshotRow.dataset == dataset),
        col(DatasetSnapshotRow.seq),
        cursor=cursor,
        limit=limit,
    )


def use(session: Session, sha256: str, subject: str) -> None:
    """Keep a snapshot's file for as long as `subject` depends on it."""
    if session.get(DatasetSnapshotUseRow, (sha256, subject)) is None:
        session.add(DatasetSnapshotUseRow(sha256=sha256, subject=subject))


def release(session: Session, sha256: str, subject: str) -> None:
    """`subject` no longer depends on it."""
    row = session.get(DatasetSnapshotUseRow, (sha256, subject))
    if row is not None:
        session.delete(row)


def users(session: Session, sha256: str) -> Sequence[str]:
    """Who depends on a snapshot."""
    return session.exec(
        select(DatasetSnapshotUseRow.subject)
        .where(DatasetSnapshotUseRow.sha256 == sha256)
        .order_by(col(DatasetSnapshotUseRow.subject))
    ).all()


def has_file(session: Session, sha256: str) -> bool:
    """Whether a snapshot of any dataset needs this file."""
    return (
        session.exec(
            select(DatasetSnapshotRow.seq).where(
                DatasetSnapshotRow.sha256 == sha256, col(DatasetSnapshotRow.removed_at).is_(None)
            )
        ).first()
        is not None
    )


def all_of_dataset(session: Session, dataset: str) -> Sequence[DatasetSnapshotRow]:
    """Every snapshot of a dataset that has its file."""
    return session.exec(
        select(DatasetSnapshotRow).where(
            DatasetSnapshotRow.dataset == dataset, col(DatasetSnapshotRow.removed_at).is_(None)
        )
    ).all()
