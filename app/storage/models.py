"""Rows of models and their versions."""

from sqlmodel import Session, col, func, select

from app.storage.pages import Page, page
from app.storage.tables import ModelRow, ModelVersionRow


def by_name(session: Session, name: str) -> ModelRow | None:
    """One model."""
    return session.get(ModelRow, name)


def version(session: Session, name: str, number: int) -> ModelVersionRow | None:
    """One version of a model."""
    return session.get(ModelVersionRow, (name, number))


def version_by_sha256(session: Session, name: str, sha256: str) -> ModelVersionRow | None:
    """The version of a model with these bytes."""
    return session.exec(
        select(ModelVersionRow).where(ModelVersionRow.model == name, ModelVersionRow.sha256 == sha256)
    ).first()


def any_by_sha256(session: Session, sha256: str) -> ModelVersionRow | None:
    """A version with these bytes, of whichever model."""
    statement = select(ModelVersionRow).where(ModelVersionRow.sha256 == sha256)
    return session.exec(statement.order_by(col(ModelVersionRow.created_at))).first()


def latest_version(session: Session, name: str) -> int:
    """The highest version number; 0 without any."""
    return session.exec(select(func.max(ModelVersionRow.version)).where(ModelVersionRow.model == name)).one() or 0


def listing(session: Session, cursor: str | None, limit: int) -> Page[ModelRow]:
    """A page of models by name."""
    return page(session, select(ModelRow), col(ModelRow.name), cursor=cursor, limit=limit, newest_first=False)


def versions(session: Session, name: str, cursor: str | None, limit: int) -> Page[ModelVersionRow]:
    """A page of a model's versions, newest first."""
    return page(
        session,
        select(ModelVersionRow).where(ModelVersionRow.model == name),
        col(ModelVersionRow.version),
        cursor=cursor,
        limit=limit,
    )
