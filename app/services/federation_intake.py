"""What clients of a federation ask and send, whatever they come by: assignment, global model, update."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlmodel import Session

from app.domain.federation import Action, FederationState, UpdateState, action_of
from app.errors import Conflict, NotFound, Unauthorised, translate
from app.services.federation_bell import FederationBell
from app.storage import events
from app.storage import federations as rows
from app.storage.columns import now
from app.storage.database import Database
from app.storage.federation_files import FederationFiles
from app.storage.federation_tables import FederationClientRow, FederationRoundRow, FederationRow, FederationUpdateRow
from zoo.federated.aggregate import update_norm
from zoo.federated.documents import Form, Limits, Update, decode_update, encode_model, most_bytes
from zoo.federated.errors import Refusal, UpdateRefused
from zoo.federated.parameters import Parameters, Weights
from zoo.federated.rounds import Answered, Round, RoundState, Verdict, judge, step

_log = structlog.get_logger(__name__)

REST = "/v1/federations"
BEFORE = "before"
"""In the reason of a refused update: the slugs of its client's earlier refusals in the round, of which events tell."""


@dataclass(frozen=True)
class ClientId:
    """A client that the server itself speaks for, as for a board: made by our own code, never of what came in."""

    value: str


Who = str | ClientId
"""A text is a token, as a client sent it."""


@dataclass(frozen=True)
class Assignment:
    """What a client is to do now. Without TRAIN there is nothing but the round that the federation is in."""

    federation_id: str
    action: Action
    round: int
    base: bytes | None = None
    deadline_at: datetime | None = None
    training: Mapping[str, Any] | None = None

    def document(self, site: str = REST) -> dict[str, Any]:
        """As it goes out; `site` is where the federations are at the transport's server."""
        path = f"{site}/{self.federation_id}/rounds/{self.round}"
        trains = self.action is Action.TRAIN
        return {
            "action": str(self.action),
            "round": self.round,
            "base": None if self.base is None else self.base.hex(),
            "deadline_at": None if self.deadline_at is None else self.deadline_at.isoformat(),
            "model": f"{path}/model" if trains else None,
            "updates": f"{path}/updates" if trains else None,
            "training": None if self.training is None else dict(self.training),
        }


@dataclass(frozen=True)
class Accepted:
    """An update that is safely on disk."""

    samples: int


@dataclass(frozen=True)
class BoardTurn:
    """A board that is asked and has not answered."""

    federation_id: str
    client: ClientId
    endpoint: str
    round: int
    deadline_at: datetime


class FederationIntake:
    """The one door for updates. Called from threads; every error is one of the server's (`app/errors.py`)."""

    def __init__(self, database: Database, files: FederationFiles, bell: FederationBell) -> None:
        self._database = database
        self._files = files
        self._bell = bell

    def assignment(self, federation_id: str, who: Who) -> Assignment:
        """What the client is to do now."""
        with self._database.read() as session:
            federation, client = self._known(session, federation_id, who)
            current = rows.round_(session, federation_id, federation.round)
            sent = rows.update(session, federation_id, federation.round, client.id)
        asked = current is not None and current.state == RoundState.OPEN and client.id in current.selected
        answered = sent is not None and sent.state != UpdateState.REFUSED
        action = action_of(federation.state, asked=asked, answered=answered)
        if current is None or action is not Action.TRAIN:
            return Assignment(federation_id, action, federation.round)
        return Assignment(
            federation_id,
            action,
            current.round,
            bytes.fromhex(current.model_sha256),
            current.deadline_at,
            {**federation.settings["training"], "max_samples": federation.settings["max_samples"]},
        )

    def trainable(self, federation_id: str, who: Who) -> str:
        """The SHA-256 of the .tflite that clients train, a blob of the server; Conflict while it is being made."""
        with self._database.read() as session:
            federation, _ = self._known(session, federation_id, who)
        if federation.trainable_sha256 is None:
            raise _not_ready(federation)
        return federation.trainable_sha256

    def model(self, federation_id: str, who: Who, number: int, form: Form = "float32") -> bytes:
        """The global model of the round that is open."""
        with self._database.read() as session:
            federation, _ = self._known(session, federation_id, who)
            found = _round(session, federation, number)
        try:
            if found.state != RoundState.OPEN:
                raise _over(found)
            base = self._base(federation, found)
        except UpdateRefused as refusal:
            raise translate(refusal) from refusal
        return encode_model(federation_id, number, base, form)

    def average(self, federation_id: str, who: Who, form: Form = "float32") -> bytes:
        """The newest average as a global model, also when everything is over: what a client keeps."""
        for last in (False, True):
            with self._database.read() as session:
                federation, _ = self._known(session, federation_id, who)
            parameters = parameters_of(federation)
            try:
                found = self._files.weights(federation_id, federation.weights_sha256 or "", parameters)
                break
            except FileNotFoundError:  # a round was closed between row and file: the row names newer weights now
                if last:
                    raise
        return encode_model(federation_id, federation.round, found, form)

    def most_bytes(self, federation_id: str, who: Who) -> int:
        """How long an update may be; a transport reads no more. Refuses strangers before they have sent anything."""
        with self._database.read() as session:
            federation, _ = self._known(session, federation_id, who)
        return most_bytes(parameters_of(federation))

    def submit(self, federation_id: str, who: Who, number: int, body: bytes) -> Accepted:
        """Take an update: it is on disk before the answer. The same bytes again are answered as before."""
        with self._database.read() as session:
            federation, client = self._known(session, federation_id, who)
            row = _round(session, federation, number)
            current = round_of(row, _answer(session, row, client.id))
        sha256 = hashlib.sha256(body)
        try:
            parameters = parameters_of(federation)
            update = decode_update(body, parameters, Limits(federation.settings["max_samples"]))
            if judge(current, client.id, update, sha256.digest(), now()) is Verdict.REPEATED:
                return Accepted(update.samples)
            norm = update_norm(update.weights, self._base(federation, row))
            return self._store(client, row, update, norm, body, sha256.hexdigest())
        except UpdateRefused as refusal:
            self._record(client, number, refusal, sha256.hexdigest(), len(body))
            raise translate(refusal) from refusal

    def refuse_too_large(self, federation_id: str, who: Who, number: int, size: int) -> None:
        """Refuse an update of which only `size` bytes were read; always raises."""
        with self._database.read() as session:
            federation, client = self._known(session, federation_id, who)
            _round(session, federation, number)
        refusal = UpdateRefused(
            Refusal.TOO_LARGE,
            f"An update of this federation has at most {most_bytes(parameters_of(federation))} bytes.",
        )
        self._record(client, number, refusal, "", size)
        raise translate(refusal)

    def boards(self) -> list[BoardTurn]:
        """The boards of every federation that a round waits for."""
        turns: list[BoardTurn] = []
        with self._database.read() as session:
            for federation in rows.in_state(session, FederationState.RUNNING):
                current = rows.round_(session, federation.id, federation.round)
                if current is None or current.state != RoundState.OPEN:
                    continue
                missing = set(current.selected) - rows.answers(session, federation.id, current.round).keys()
                turns += [
                    BoardTurn(federation.id, ClientId(client.id), client.endpoint, current.round, current.deadline_at)
                    for client in rows.boards(session, federation.id)
                    if client.endpoint is not None and client.id in missing
                ]
        return turns

    def _base(self, federation: FederationRow, row: FederationRoundRow) -> Weights:
        """What a round starts from. Raises UpdateRefused when it was closed in this very moment."""
        try:
            return self._files.weights(federation.id, row.model_sha256, parameters_of(federation))
        except FileNotFoundError as error:
            raise _over(row) from error

    def _known(self, session: Session, federation_id: str, who: Who) -> tuple[FederationRow, FederationClientRow]:
        federation = rows.by_id(session, federation_id)
        if federation is None:
            raise federation_not_found(federation_id)
        if isinstance(who, ClientId):
            found = rows.client(session, federation_id, who.value)
        else:
            found = _by_token(session, federation_id, who)
        if found is None:
            raise Unauthorised(
                "token_invalid",
                "This token belongs to no client of this federation.",
                f"POST {REST}/{federation_id}/clients enrols a client and shows its token once.",
                "header.Authorization",
            )
        return federation, found

    def _store(
        self,
        client: FederationClientRow,
        row: FederationRoundRow,
        update: Update,
        norm: float,
        body: bytes,
        sha256: str,
    ) -> Accepted:
        """The file first, then the row: a row without its file would lose the round."""
        federation_id, number = row.federation_id, row.round
        with self._files.held():
            with self._database.read() as session:
                found = rows.round_(session, federation_id, number) or row
                again = round_of(found, _answer(session, row, client.id))
            if judge(again, client.id, update, bytes.fromhex(sha256), now()) is Verdict.REPEATED:
                return Accepted(update.samples)
            self._files.updates(federation_id, number).put(body)
            with self._database.write() as transaction:
                session = transaction.session
                current = _round_again(session, row)
                if judge(current, client.id, update, bytes.fromhex(sha256), now()) is Verdict.REPEATED:
                    return Accepted(update.samples)
                session.merge(
                    FederationUpdateRow(
                        federation_id=federation_id,
                        round=number,
                        client_id=client.id,
                        state=UpdateState.ACCEPTED,
                        sha256=sha256,
                        size=len(body),
                        samples=update.samples,
                        norm=norm,
                        loss=update.loss,
                    )
                )
                after = step(current, Answered(client.id, bytes.fromhex(sha256)))
                store_round(session, row, after)
                data = {"round": number, "client": client.name, "state": UpdateState.ACCEPTED}
                told = {**data, "samples": update.samples, "size": len(body), "loss": update.loss}
                events.append(session, "federation.update", f"federation/{federation_id}", told)
                if after.state is not RoundState.OPEN:  # each ring makes every client that waits ask the database
                    transaction.after_commit(lambda: self._bell.ring(federation_id))
        return Accepted(update.samples)

    def _record(self, client: FederationClientRow, number: int, refusal: UpdateRefused, sha256: str, size: int) -> None:
        """Keep why a client of the open round was refused; told once for each reason, or it could fill the disk."""
        federation_id = client.federation_id
        reason: dict[str, Any] = {"slug": refusal.code, "detail": refusal.detail, "remedy": refusal.remedy}
        with self._database.write() as transaction:
            session = transaction.session
            row = rows.round_(session, federation_id, number)
            if row is None or row.state != RoundState.OPEN or client.id not in row.selected:
                return
            known = rows.update(session, federation_id, number, client.id)
            last = (known.reason if known is not None else None) or {}
            if known is not None and (known.state != UpdateState.REFUSED or last["slug"] == refusal.code):
                return
            before = {last["slug"], *last.get(BEFORE, ())} if last else set[str]()
            session.merge(
                FederationUpdateRow(
                    federation_id=federation_id,
                    round=number,
                    client_id=client.id,
                    state=UpdateState.REFUSED,
                    sha256=sha256,
                    size=size,
                    reason={**reason, BEFORE: sorted(before)},
                )
            )
            if refusal.code in before:
                return
            data = {"round": number, "client": client.name, "state": UpdateState.REFUSED, "reason": reason}
            events.append(session, "federation.update", f"federation/{federation_id}", data)
        _log.info("update refused", federation=federation_id, round=number, client=client.name, slug=refusal.code)


def token_sha256(token: str) -> str:
    """What is kept of a token. It has 256 random bits: nothing slower is needed, as it would be for a password."""
    return hashlib.sha256(token.encode()).hexdigest()


def round_of(row: FederationRoundRow, answers: Mapping[str, bytes]) -> Round:
    """A round as its rules know it."""
    return Round(
        number=row.round,
        base=bytes.fromhex(row.model_sha256),
        selected=frozenset(row.selected),
        minimum=row.minimum,
        state=RoundState(row.state),
        deadline=row.deadline_at,
        answers=answers,
    )


def store_round(session: Session, row: FederationRoundRow, after: Round) -> FederationRoundRow:
    """Write down what a round has become, in the row of this session."""
    kept = rows.round_(session, row.federation_id, row.round) or row
    kept.state = after.state
    kept.selected = sorted(after.selected)
    session.add(kept)
    return kept


def federation_not_found(federation_id: str) -> NotFound:
    """There is none of this id."""
    return NotFound(
        "federation_not_found", f"There is no federation {federation_id}.", f"GET {REST} lists them.", "federation_id"
    )


def parameters_of(federation: FederationRow) -> Parameters:
    """What a federation trains; Conflict while its model is being made."""
    if federation.document is None:
        raise _not_ready(federation)
    return Parameters.of(federation.document["parameters"])


def _by_token(session: Session, federation_id: str, token: str) -> FederationClientRow | None:
    wanted = token_sha256(token)
    found = rows.client_by_token(session, federation_id, wanted)
    if found is None or found.token_sha256 is None or not hmac.compare_digest(found.token_sha256, wanted):
        return None
    return found


def _not_ready(federation: FederationRow) -> Conflict:
    return Conflict(
        "federation_not_ready",
        f"Federation {federation.id} has no trainable model: it is {federation.state}.",
        f"GET {REST}/{federation.id} shows its state; clients can work from `enrolling` on.",
    )


def _round(session: Session, federation: FederationRow, number: int) -> FederationRoundRow:
    """A round that was opened once; a number beyond is one that a client must wait for."""
    found = rows.round_(session, federation.id, number)
    if found is None:
        refusal = UpdateRefused(Refusal.NOT_OPEN, f"Federation {federation.id} has not opened a round {number}.")
        raise translate(refusal)
    return found


def _over(row: FederationRoundRow) -> UpdateRefused:
    return UpdateRefused(Refusal.STALE_ROUND, f"Round {row.round} is over.")


def _answer(session: Session, row: FederationRoundRow, client_id: str) -> dict[str, bytes]:
    """What is known of one client's answer."""
    sent = rows.update(session, row.federation_id, row.round, client_id)
    return {} if sent is None or sent.state == UpdateState.REFUSED else {client_id: bytes.fromhex(sent.sha256)}


def _round_again(session: Session, row: FederationRoundRow) -> Round:
    """The round as it is now, with every answer."""
    found = rows.round_(session, row.federation_id, row.round) or row
    return round_of(found, rows.answers(session, row.federation_id, row.round))
