"""The work of a federation in steps that may be repeated: prepare, open a round, end it, average, finish."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from math import inf
from typing import Any

import structlog

from app.domain.federation import ENDED, FederationState, UpdateState
from app.services.federation_bell import FederationBell
from app.services.federation_intake import parameters_of, round_of, store_round
from app.services.federation_score import FederationScorer
from app.services.federations import FederationService, close_round, record
from app.services.ports import BROKEN_OFF
from app.storage import events
from app.storage import federations as rows
from app.storage.blobs import BlobStore
from app.storage.columns import now
from app.storage.database import Database, Transaction
from app.storage.federation_files import FederationFiles
from app.storage.federation_tables import FederationRoundRow, FederationRow, FederationUpdateRow
from zoo.federated.aggregate import FedAvg, outliers
from zoo.federated.documents import Limits, decode_update
from zoo.federated.errors import REMEDIES, ParticipantsError, Refusal
from zoo.federated.parameters import Weights
from zoo.federated.rounds import Averaged, Opened, Passed, Round, RoundState, select, step
from zoo.training.errors import DivergedError, TrainingError

_log = structlog.get_logger(__name__)

AT_ONCE, WHEN_RUNG = 0.0, inf
"""There is more to do now; or not before the federation's bell rings."""


@dataclass(frozen=True)
class _Result:
    """An average that is on disk, and how good it is."""

    sha256: str
    score: dict[str, Any]


class FederationRounds:
    """Carries federations out. What is done is in the database, so that a process that dies is taken over anywhere."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        files: FederationFiles,
        bell: FederationBell,
        federations: FederationService,
        scorer: FederationScorer,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._files = files
        self._bell = bell
        self._federations = federations
        self._scorer = scorer

    def clear_up(self) -> None:
        """Remove what clients sent to federations that have ended: a process that died behind the commit left it."""
        for federation_id in self._files.with_updates():
            with self._database.read() as session:
                federation = rows.by_id(session, federation_id)
            if federation is None or federation.state in ENDED:
                self._files.forget_updates(federation_id)

    def alive(self) -> list[str]:
        """The federations that there is work for, now or later."""
        with self._database.read() as session:
            found = [
                *rows.in_state(session, FederationState.PREPARING),
                *rows.in_state(session, FederationState.RUNNING),
            ]
        return [row.id for row in found]

    def advance(self, federation_id: str) -> float | None:
        """Do the next step. Seconds until there is another one; None when there is none, until it is started."""
        with self._database.read() as session:
            federation = rows.by_id(session, federation_id)
            current = rows.round_(session, federation_id, federation.round) if federation is not None else None
        if federation is None:
            return None
        if federation.state == FederationState.PREPARING:
            return self._prepare(federation)
        if federation.state != FederationState.RUNNING:
            return None
        if current is None:
            return self._next(federation)
        match current.state:
            case RoundState.OPEN:
                return self._wait(current)
            case RoundState.AGGREGATING:
                return self._average(federation, current)
            case RoundState.ABANDONED if current.closed_at is None:
                return self._abandon(current)
        return self._next(federation)

    def fail(self, federation_id: str) -> None:
        """End a federation that broke off with an error that nobody foresaw, again and again."""
        self._end(federation_id, BROKEN_OFF)

    def _prepare(self, federation: FederationRow) -> float | None:
        """Once the trainable model is there: its weights are the first base, and how good they are is known."""
        if federation.trainable_sha256 is None:
            return WHEN_RUNG
        try:
            prepared = self._scorer.prepared(federation, self._blobs.get(federation.trainable_sha256))
        except TrainingError as error:  # the held-out data does not fit the model
            self._end(federation.id, {"slug": error.code, "detail": str(error), "remedy": error.remedy})
            return None
        base = self._files.put_weights(federation.id, prepared.weights)
        with self._database.write() as transaction:
            row = rows.by_id(transaction.session, federation.id)
            if row is None or row.state != FederationState.PREPARING:
                return None
            row.document, row.initial, row.weights_sha256 = prepared.document, prepared.score, base
            row.state = FederationState.ENROLLING
            transaction.session.add(row)
            record(transaction.session, row)
            transaction.after_commit(lambda: self._bell.ring(federation.id))
        return None

    def _next(self, federation: FederationRow) -> float | None:
        """Open the next round; or after the last one finish."""
        settings = federation.settings
        with self._database.write() as transaction:
            session = transaction.session
            row = rows.by_id(session, federation.id)
            if row is None or row.state != FederationState.RUNNING:
                return None  # cancelled in between
            if row.round >= settings["rounds"]:
                self._finish(transaction, row)
                return None
            number = row.round + 1
            enrolled = [client.id for client in rows.clients(session, row.id)]
            try:
                selected = select(
                    enrolled,
                    settings["seed"],
                    number,
                    fraction=settings["fraction"],
                    minimum=settings["minimum_clients"],
                )
            except ParticipantsError:
                return WHEN_RUNG  # some left; an enrolment rings
            base = bytes.fromhex(row.weights_sha256 or "")
            deadline = now() + timedelta(seconds=settings["deadline_seconds"])
            opened = step(Round(number, base, selected, settings["minimum_clients"]), Opened(deadline))
            session.add(
                FederationRoundRow(
                    federation_id=row.id,
                    round=number,
                    state=opened.state,
                    model_sha256=base.hex(),
                    selected=sorted(opened.selected),
                    minimum=opened.minimum,
                    deadline_at=deadline,
                )
            )
            row.round = number
            session.add(row)
            data = {"round": number, "state": str(opened.state), "selected": len(selected)}
            told = {**data, "deadline_at": deadline.isoformat()}
            events.append(session, "federation.round", f"federation/{row.id}", told)
            transaction.after_commit(lambda: self._bell.ring(federation.id))
        return AT_ONCE

    def _wait(self, current: FederationRoundRow) -> float:
        """Until the deadline; what ends the round before rings the bell."""
        left = (current.deadline_at - now()).total_seconds()
        if left > 0:
            return left
        with self._database.write() as transaction:
            session = transaction.session
            row = rows.round_(session, current.federation_id, current.round)
            if row is not None and row.state == RoundState.OPEN:
                answers = rows.answers(session, row.federation_id, row.round)
                store_round(session, row, step(round_of(row, answers), Passed(now())))
        return AT_ONCE

    def _abandon(self, current: FederationRoundRow) -> float:
        """Put away a round with too few answers; the global weights stay as they are."""
        with self._database.write() as transaction:
            row = rows.round_(transaction.session, current.federation_id, current.round)
            if row is not None:
                self._close(transaction, row, RoundState.ABANDONED, frozenset())
        return AT_ONCE

    def _average(self, federation: FederationRow, current: FederationRoundRow) -> float | None:
        """Read the updates one after the other into the average, and see how good it is."""
        with self._database.read() as session:
            answers = rows.updates(session, federation.id, current.round)
        found = [update for update in answers if update.state == UpdateState.ACCEPTED]
        factor = federation.settings["outlier_factor"]
        far = outliers([update.norm or 0.0 for update in found], factor) if factor is not None else ()
        kept = [update for place, update in enumerate(found) if place not in far]
        after = step(round_of(current, {}), Averaged(len(kept)))
        result: _Result | None = None
        broken: DivergedError | None = None
        if after.state is RoundState.CLOSED:
            try:
                result = self._result(federation, current, kept)
            except DivergedError as error:  # each update was of finite numbers, and what they make of the model is not
                broken, after = error, replace(after, state=RoundState.ABANDONED)
        with self._database.write() as transaction:
            session = transaction.session
            row, owner = rows.round_(session, federation.id, current.round), rows.by_id(session, federation.id)
            if row is None or owner is None or owner.state != FederationState.RUNNING:
                return None  # cancelled in between
            names = rows.names(session, federation.id) if far else {}
            for place in far:
                _leave_out(transaction, found[place], found, names[found[place].client_id])
            if result is not None:
                row.result_sha256, row.score = result.sha256, result.score
                row.samples = sum(update.samples or 0 for update in kept)
                owner.weights_sha256 = result.sha256
                session.add(owner)
                transaction.after_commit(lambda: self._files.keep_weights(federation.id, result.sha256))
            averaged = frozenset(update.client_id for update in kept) if result is not None else frozenset[str]()
            self._close(transaction, row, after.state, averaged, broken)
        return AT_ONCE

    def _result(
        self, federation: FederationRow, current: FederationRoundRow, kept: list[FederationUpdateRow]
    ) -> _Result:
        """Raises DivergedError when the average is of no use."""
        weights = self._averaged(federation, current, kept)
        score = self._scorer.score(federation, self._blobs.get(federation.trainable_sha256 or ""), weights)
        return _Result(self._files.put_weights(federation.id, weights), score)

    def _averaged(
        self, federation: FederationRow, current: FederationRoundRow, kept: list[FederationUpdateRow]
    ) -> Weights:
        settings, parameters = federation.settings, parameters_of(federation)
        average = FedAvg(
            parameters,
            self._files.weights(federation.id, current.model_sha256, parameters),
            clip_norm=settings["clip_norm"],
            noise_multiplier=settings["noise_multiplier"],
        )
        store, limits = self._files.updates(federation.id, current.round), Limits(settings["max_samples"])
        for row in kept:
            update = decode_update(store.get(row.sha256), parameters, limits)
            average.add(update.samples, update.weights)
        return average.result()

    def _close(
        self,
        transaction: Transaction,
        row: FederationRoundRow,
        state: RoundState,
        averaged: frozenset[str],
        broken: DivergedError | None = None,
    ) -> None:
        """The end of a round; the files of its updates go."""
        federation_id, number = row.federation_id, row.round
        why = {} if broken is None else {"detail": broken.detail, "remedy": broken.remedy}
        close_round(transaction.session, row, state, averaged, why)
        transaction.after_commit(lambda: self._files.forget_updates(federation_id, number))
        transaction.after_commit(lambda: self._bell.ring(federation_id))

    def _finish(self, transaction: Transaction, row: FederationRow) -> None:
        if any(item.result_sha256 for item in rows.rounds(transaction.session, row.id)):
            self._federations.finish(transaction, row)
            return
        error = {
            "slug": "no_round_closed",
            "detail": f"Not one of {row.round} rounds had {row.settings['minimum_clients']} updates in time.",
            "remedy": "Give rounds more time (deadline_seconds), or ask fewer clients (minimum_clients).",
        }
        self._federations.end(transaction, row, FederationState.FAILED, error)

    def _end(self, federation_id: str, error: dict[str, Any]) -> None:
        with self._database.write() as transaction:
            row = rows.by_id(transaction.session, federation_id)
            if row is not None and row.state in {FederationState.PREPARING, FederationState.RUNNING}:
                self._federations.end(transaction, row, FederationState.FAILED, error)
        _log.warning("federation failed", federation=federation_id, slug=error["slug"])


def _leave_out(
    transaction: Transaction, update: FederationUpdateRow, found: Sequence[FederationUpdateRow], name: str
) -> None:
    """Refuse an outlier, with the reason."""
    usual = sorted(other.norm or 0.0 for other in found)[len(found) // 2]
    update.state = UpdateState.REFUSED
    update.reason = {
        "slug": Refusal.OUTLIER,
        "detail": f"It moved by {update.norm or 0.0:.4g}; the median of the round's updates is {usual:.4g}.",
        "remedy": REMEDIES[Refusal.OUTLIER],
    }
    transaction.session.merge(update)
    data = {"round": update.round, "client": name, "state": update.state, "reason": update.reason}
    events.append(transaction.session, "federation.update", f"federation/{update.federation_id}", data)
