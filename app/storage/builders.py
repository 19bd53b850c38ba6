"""Rows of builders."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from app.storage.pages import Page, page
from app.storage.tables import BuilderRow


def by_id(session: Session, builder_id: str) -> BuilderRow | None:
    """One builder."""
    return session.exec(select(BuilderRow).where(BuilderRow.id == builder_id)).first()


def by_digest(session: Session, digest: str) -> BuilderRow | None:
    """The builder that runs this digest."""
    return session.exec(select(BuilderRow).where(BuilderRow.digest == digest)).first()


def newest_first(session: Session) -> Sequence[BuilderRow]:
    """Every builder."""
    return session.exec(select(BuilderRow).order_by(col(BuilderRow.seq).desc())).all()


def listing(session: Session, cursor: str | None, limit: int) -> Page[BuilderRow]:
    """A page, newest first."""
    return page(session, select(BuilderRow), col(BuilderRow.seq), cursor=cursor, limit=limit)
