"""Rows of builders' checks against the contract."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from app.storage.tables import BuilderCheckRow


def by_id(session: Session, check_id: str) -> BuilderCheckRow | None:
    """One check."""
    return session.exec(select(BuilderCheckRow).where(BuilderCheckRow.id == check_id)).first()


def live_of(session: Session, builder_id: str) -> BuilderCheckRow | None:
    """The check of a builder that has not ended."""
    wanted = select(BuilderCheckRow).where(
        BuilderCheckRow.builder_id == builder_id, col(BuilderCheckRow.finished_at).is_(None)
    )
    return session.exec(wanted).first()


def last_of(session: Session, builder_id: str) -> BuilderCheckRow | None:
    """The newest check of a builder."""
    wanted = select(BuilderCheckRow).where(BuilderCheckRow.builder_id == builder_id)
    return session.exec(wanted.order_by(col(BuilderCheckRow.seq).desc())).first()


def unfinished(session: Session) -> Sequence[BuilderCheckRow]:
    """Checks that have not ended, oldest first."""
    wanted = select(BuilderCheckRow).where(col(BuilderCheckRow.finished_at).is_(None))
    return session.exec(wanted.order_by(col(BuilderCheckRow.seq))).all()
