"""Rows of federations: clients, rounds and updates."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, func, select

from app.domain.federation import FederationState
from app.storage.federation_tables import FederationClientRow, FederationRoundRow, FederationRow, FederationUpdateRow
from app.storage.pages import Page, page


def by_id(session: Session, federation_id: str) -> FederationRow | None:
    """One federation."""
    return session.exec(select(FederationRow).where(FederationRow.id == federation_id)).first()


def by_job(session: Session, job_id: str) -> FederationRow | None:
    """The federation that a training job works for."""
    return session.exec(select(FederationRow).where(FederationRow.job_id == job_id)).first()


def in_state(session: Session, state: str) -> Sequence[FederationRow]:
    """Every federation in a state, oldest first."""
    return session.exec(
        select(FederationRow).where(FederationRow.state == state).order_by(col(FederationRow.seq))
    ).all()


def finished_since(session: Session, moment: datetime) -> Sequence[FederationRow]:
    """Those that finished after a moment, the newest first."""
    statement = select(FederationRow).where(
        FederationRow.state == FederationState.FINISHED, col(FederationRow.finished_at) > moment
    )
    return session.exec(statement.order_by(col(FederationRow.finished_at).desc(), col(FederationRow.seq).desc())).all()


def of_version(session: Session, model: str, version: int) -> Sequence[FederationRow]:
    """The newest federations that started from a version."""
    statement = select(FederationRow).where(FederationRow.model == model, FederationRow.version == version)
    return session.exec(statement.order_by(col(FederationRow.seq).desc()).limit(50)).all()


def listing(session: Session, cursor: str | None, limit: int, state: str | None) -> Page[FederationRow]:
    """A page, newest first."""
    statement = select(FederationRow)
    if state is not None:
        statement = statement.where(FederationRow.state == state)
    return page(session, statement, col(FederationRow.seq), cursor=cursor, limit=limit)


def clients(session: Session, federation_id: str) -> Sequence[FederationClientRow]:
    """Those that take part, in the order of their enrolment."""
    return session.exec(
        select(FederationClientRow)
        .where(FederationClientRow.federation_id == federation_id, col(FederationClientRow.removed_at).is_(None))
        .order_by(col(FederationClientRow.seq))
    ).all()


def boards(session: Session, federation_id: str) -> Sequence[FederationClientRow]:
    """Those that take part and are boards, which the server goes to."""
    return session.exec(
        select(FederationClientRow)
        .where(
            FederationClientRow.federation_id == federation_id,
            col(FederationClientRow.removed_at).is_(None),
            col(FederationClientRow.endpoint).is_not(None),
        )
        .order_by(col(FederationClientRow.seq))
    ).all()


def count_clients(session: Session, federation_id: str) -> int:
    """How many take part."""
    return session.exec(
        select(func.count())
        .select_from(FederationClientRow)
        .where(FederationClientRow.federation_id == federation_id, col(FederationClientRow.removed_at).is_(None))
    ).one()


def client_page(session: Session, federation_id: str, cursor: str | None, limit: int) -> Page[FederationClientRow]:
    """A page of those that take part, in the order of their enrolment."""
    statement = select(FederationClientRow).where(
        FederationClientRow.federation_id == federation_id, col(FederationClientRow.removed_at).is_(None)
    )
    return page(session, statement, col(FederationClientRow.seq), cursor=cursor, limit=limit, newest_first=False)


def client(session: Session, federation_id: str, client_id: str) -> FederationClientRow | None:
    """One that takes part."""
    return session.exec(
        select(FederationClientRow).where(
            FederationClientRow.federation_id == federation_id,
            FederationClientRow.id == client_id,
            col(FederationClientRow.removed_at).is_(None),
        )
    ).first()


def client_by_name(session: Session, federation_id: str, name: str) -> FederationClientRow | None:
    """The one of this name that takes part."""
    return session.exec(
        select(FederationClientRow).where(
            FederationClientRow.federation_id == federation_id,
            FederationClientRow.name == name,
            col(FederationClientRow.removed_at).is_(None),
        )
    ).first()


def client_by_token(session: Session, federation_id: str, token_sha256: str) -> FederationClientRow | None:
    """The one whose token has this hash, and takes part."""
    return session.exec(
        select(FederationClientRow).where(
            FederationClientRow.federation_id == federation_id,
            FederationClientRow.token_sha256 == token_sha256,
            col(FederationClientRow.removed_at).is_(None),
        )
    ).first()


def names(session: Session, federation_id: str) -> dict[str, str]:
    """The name of every client that there ever was, by id."""
    found = session.exec(select(FederationClientRow).where(FederationClientRow.federation_id == federation_id)).all()
    return {row.id: row.name for row in found}


def round_(session: Session, federation_id: str, number: int) -> FederationRoundRow | None:
    """One round."""
    return session.get(FederationRoundRow, (federation_id, number))


def rounds(session: Session, federation_id: str) -> Sequence[FederationRoundRow]:
    """Every round, in order."""
    return session.exec(
        select(FederationRoundRow)
        .where(FederationRoundRow.federation_id == federation_id)
        .order_by(col(FederationRoundRow.round))
    ).all()


def scores(session: Session, federation_id: str) -> list[tuple[int, Mapping[str, Any]]]:
    """The score of each round that made an average, in order."""
    found = session.exec(
        select(FederationRoundRow.round, FederationRoundRow.score)
        .where(FederationRoundRow.federation_id == federation_id, col(FederationRoundRow.result_sha256).is_not(None))
        .order_by(col(FederationRoundRow.round))
    ).all()
    return [(number, score) for number, score in found if score is not None]


def round_page(session: Session, federation_id: str, cursor: str | None, limit: int) -> Page[FederationRoundRow]:
    """A page of rounds, newest first."""
    statement = select(FederationRoundRow).where(FederationRoundRow.federation_id == federation_id)
    return page(session, statement, col(FederationRoundRow.round), cursor=cursor, limit=limit)


def update(session: Session, federation_id: str, number: int, client_id: str) -> FederationUpdateRow | None:
    """What a client sent in a round."""
    return session.get(FederationUpdateRow, (federation_id, number, client_id))


def updates(session: Session, federation_id: str, number: int) -> Sequence[FederationUpdateRow]:
    """What came in a round, by client: an order that does not depend on who was quicker."""
    return session.exec(
        select(FederationUpdateRow)
        .where(FederationUpdateRow.federation_id == federation_id, FederationUpdateRow.round == number)
        .order_by(col(FederationUpdateRow.client_id))
    ).all()


def answers(session: Session, federation_id: str, number: int) -> dict[str, bytes]:
    """By client, the SHA-256 of the update that was taken in a round."""
    found = session.exec(
        select(FederationUpdateRow.client_id, FederationUpdateRow.sha256).where(
            FederationUpdateRow.federation_id == federation_id,
            FederationUpdateRow.round == number,
            FederationUpdateRow.state != "refused",
        )
    ).all()
    return {client_id: bytes.fromhex(sha256) for client_id, sha256 in found}
