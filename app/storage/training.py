"""Rows of training jobs and of their epochs."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from app.storage.pages import Page, page
from app.storage.tables import TrainingEpochRow, TrainingJobRow


def by_id(session: Session, job_id: str) -> TrainingJobRow | None:
    """One job."""
    return session.exec(select(TrainingJobRow).where(TrainingJobRow.id == job_id)).first()


def unfinished(session: Session) -> Sequence[TrainingJobRow]:
    """Jobs that are queued or running, oldest first."""
    return session.exec(
        select(TrainingJobRow)
        .where(col(TrainingJobRow.state).in_(("queued", "running")))
        .order_by(col(TrainingJobRow.seq))
    ).all()


def listing(
    session: Session, cursor: str | None, limit: int, state: str | None, model: str | None
) -> Page[TrainingJobRow]:
    """A page, newest first."""
    statement = select(TrainingJobRow)
    if state is not None:
        statement = statement.where(TrainingJobRow.state == state)
    if model is not None:
        statement = statement.where(TrainingJobRow.model == model)
    return page(session, statement, col(TrainingJobRow.seq), cursor=cursor, limit=limit)


def epoch(session: Session, job_id: str, number: int) -> TrainingEpochRow | None:
    """One epoch."""
    return session.get(TrainingEpochRow, (job_id, number))


def epochs(session: Session, job_id: str, after: int) -> Sequence[TrainingEpochRow]:
    """Epochs past a number, in order."""
    return session.exec(
        select(TrainingEpochRow)
        .where(TrainingEpochRow.job_id == job_id, TrainingEpochRow.epoch > after)
        .order_by(col(TrainingEpochRow.epoch))
    ).all()
