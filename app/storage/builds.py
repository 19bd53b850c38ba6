"""Rows of builds and of the artifacts that they made."""

from collections.abc import Sequence

from sqlmodel import Session, col, or_, select

from app.storage.pages import Page, page
from app.storage.tables import ArtifactRow, BuildRow, DeviceRow


def by_id(session: Session, build_id: str) -> BuildRow | None:
    """One build."""
    return session.exec(select(BuildRow).where(BuildRow.id == build_id)).first()


def live_by_key(session: Session, key: str) -> BuildRow | None:
    """The build of a key that is queued, running or succeeded."""
    return session.exec(
        select(BuildRow).where(BuildRow.key == key, col(BuildRow.state).in_(("queued", "running", "succeeded")))
    ).first()


def unfinished(session: Session) -> Sequence[BuildRow]:
    """Builds that are queued or running, oldest first."""
    return session.exec(
        select(BuildRow).where(col(BuildRow.state).in_(("queued", "running"))).order_by(col(BuildRow.seq))
    ).all()


def listing(session: Session, cursor: str | None, limit: int, state: str | None, model: str | None) -> Page[BuildRow]:
    """A page, newest first."""
    statement = select(BuildRow)
    if state is not None:
        statement = statement.where(BuildRow.state == state)
    if model is not None:
        statement = statement.where(BuildRow.model == model)
    return page(session, statement, col(BuildRow.seq), cursor=cursor, limit=limit)


def artifact(session: Session, sha256: str) -> ArtifactRow | None:
    """One artifact."""
    return session.exec(select(ArtifactRow).where(ArtifactRow.sha256 == sha256)).first()


def add_artifacts(session: Session, artifacts: Sequence[ArtifactRow]) -> None:
    """Add those that no build made before: what does not depend on the version (a bootloader) comes again and again."""
    for row in artifacts:
        if artifact(session, row.sha256) is None:
            session.add(row)
            session.flush()


def artifacts(session: Session, cursor: str | None, limit: int) -> Page[ArtifactRow]:
    """A page of artifacts, newest first."""
    return page(session, select(ArtifactRow), col(ArtifactRow.seq), cursor=cursor, limit=limit)


def running_on(session: Session, sha256: str) -> list[str]:
    """The endpoints that were proven to run an artifact, firmware or model."""
    runs = or_(col(DeviceRow.artifact_sha256) == sha256, col(DeviceRow.model_artifact_sha256) == sha256)
    return list(session.exec(select(DeviceRow.endpoint).where(runs).order_by(DeviceRow.endpoint)))


def of_build(session: Session, shas: Sequence[str]) -> Sequence[ArtifactRow]:
    """The artifacts with these hashes."""
    return session.exec(select(ArtifactRow).where(col(ArtifactRow.sha256).in_(shas))).all()


def firmware(session: Session, board: str, version: str) -> ArtifactRow | None:
    """The firmware of a board that has this version."""
    return session.exec(
        select(ArtifactRow).where(
            ArtifactRow.kind == "firmware", ArtifactRow.board == board, ArtifactRow.firmware_version == version
        )
    ).first()
