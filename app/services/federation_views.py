"""Federations as the API shows them."""

from collections.abc import Sequence
from typing import Any

from sqlmodel import Session

from app.contract import models as api
from app.services.federation_intake import BEFORE
from app.storage import federations as rows
from app.storage.federation_tables import FederationClientRow, FederationRoundRow, FederationRow, FederationUpdateRow
from zoo.federated.pictures import Curve, per_round


def as_federation(session: Session, row: FederationRow) -> api.Federation:
    """A federation with the course of its score."""
    hidden = {"seq", "document", "trainable_sha256", "weights_sha256", "initial", "job_id", "result_version"}
    return api.Federation.model_validate(
        {
            **row.model_dump(exclude=hidden),
            "parameters": (row.document or {}).get("parameters"),
            "trainable": row.document,
            "clients": rows.count_clients(session, row.id),
            "history": _history(session, row),
            "result": None if row.result_version is None else {"model": row.model, "version": row.result_version},
            "training_job_id": row.job_id,
        }
    )


def as_client(row: FederationClientRow) -> api.FederationClient:
    """A client without anything of its token."""
    return api.FederationClient.model_validate(row.model_dump())


def as_rounds(session: Session, federation_id: str, found: Sequence[FederationRoundRow]) -> list[api.FederationRound]:
    """Rounds of a federation with what came in them."""
    names = rows.names(session, federation_id)
    return [_round(session, row, names) for row in found]


def as_picture(session: Session, row: FederationRow) -> str:
    """The score after each round, as SVG."""
    history = _history(session, row)
    figure = history[0]["score"]["metric"].replace("_", " ") if history else "accuracy"
    curve = Curve(row.name, [(item["round"], item["score"]["value"]) for item in history])
    return per_round([curve], figure=figure)


def _round(session: Session, row: FederationRoundRow, names: dict[str, str]) -> api.FederationRound:
    return api.FederationRound.model_validate(
        {
            **row.model_dump(exclude={"federation_id", "selected", "minimum"}),
            "selected": sorted(names[client_id] for client_id in row.selected),
            "minimum_updates": row.minimum,
            "updates": [_update(update, names) for update in rows.updates(session, row.federation_id, row.round)],
        }
    )


def _history(session: Session, row: FederationRow) -> list[dict[str, Any]]:
    begin = [] if row.initial is None else [{"round": 0, "score": row.initial}]
    return [*begin, *({"round": number, "score": score} for number, score in rows.scores(session, row.id))]


def _update(row: FederationUpdateRow, names: dict[str, str]) -> dict[str, Any]:
    hidden: dict[str, bool | set[str]] = {"federation_id": True, "round": True, "sha256": True, "reason": {BEFORE}}
    return {**row.model_dump(exclude=hidden), "client": names.get(row.client_id, row.client_id)}
